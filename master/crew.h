// All service processes: brought up in order, replaced on a reload, brought down in the reverse order. It never waits:
// each advance_…() looks at what is and takes the next step; `changed` says that it is worth another look.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "event/loop.h"
#include "ipc/messages.h"
#include "log/logger.h"
#include "master/child.h"
#include "master/listeners.h"
#include "master/plan.h"

namespace hikyaku::master {

enum class Progress { kUnderWay, kDone, kFailed };

class Crew {
 public:
  // `log_file`: nothing for syslog.
  Crew(Child::World world, const Listeners& listeners, const os::UniqueFd& log_file, std::function<void()> changed)
      : world_(world), listeners_(listeners), log_file_(log_file), changed_(std::move(changed)) {}

  void begin_start(std::vector<ServicePlan> plan);
  Progress advance_start();

  // New processes first; when all of them are ready the old ones are drained and those that stay are told. When one
  // cannot run, the new ones are dismissed and nothing has changed.
  void begin_change(std::vector<ServicePlan> plan);
  Progress advance_change();
  // For one that takes too long. kDone: what is new is in force, although not everyone has said so; else kFailed.
  Progress give_up_change();
  bool change_under_way() const { return changing_; }

  void begin_stop();
  Progress advance_stop();
  void kill_all();

  // Lets go of processes of former generations that have ended. Not from a child's callback.
  void forget_ended();
  // Why kFailed.
  const Child::Failure& failure() const { return failure_; }
  // Names of the services that are not running yet.
  std::string not_ready() const;
  // Whether the process was one of ours.
  bool reaped(pid_t pid, int status);
  std::vector<ipc::ServiceStatus> status() const;

 private:
  // The processes of one service.
  struct Group {
    ServicePlan plan;
    std::vector<std::unique_ptr<Child>> children;
    uint64_t restarts_before = 0;  // of children that were replaced
    uint64_t generation = 0;
    uint64_t restarts() const;
  };
  using Groups = std::vector<std::unique_ptr<Group>>;

  std::unique_ptr<Group> make_group(ServicePlan plan);
  void introduce(const Group& group, ipc::Channel& channel) const;
  bool find_failure(const Groups& groups);
  static bool all_run(const Groups& groups);
  void dismiss_fresh();
  void switch_over();
  template <class Visitor>
  void each_child(Visitor&& visit) const;

  Child::World world_;
  const Listeners& listeners_;
  const os::UniqueFd& log_file_;
  std::function<void()> changed_;

  uint64_t generation_ = 0;
  Groups groups_;                    // in force; a child's callbacks know its group
  Groups fresh_;                     // of a change under way
  Groups retired_;                   // their processes are ending
  std::vector<ServicePlan> wanted_;  // of a change under way
  bool changing_ = false, switched_ = false;
  int rank_ = 0;  // that is being started or stopped
  Child::Failure failure_;
};

}  // namespace hikyaku::master
