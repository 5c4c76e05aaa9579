// The one that starts, watches, reloads and stops the daemons, and answers the operator.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "event/loop.h"
#include "log/logger.h"
#include "master/control.h"
#include "master/crew.h"
#include "master/listeners.h"
#include "master/plan.h"
#include "master/process.h"
#include "master/queue_directory.h"

namespace hikyaku::master {

// What main.cc has read and opened before there is anything to run.
struct Prepared {
  std::string config_directory;
  config::Configuration configuration;
  Plan plan;
  Owner owner;
  PidFile pid_file;
  os::UniqueFd log_file;  // nothing for syslog
  bool foreground = false;
};

class Master {
 public:
  // Told once: everything listens and is ready (0), or why not.
  using Report = std::function<void(int exit_code, const std::string& text)>;

  // Binds the addresses: throws util::StartupError that names one that cannot be.
  Master(event::Loop& loop, Prepared prepared, Report report);

  // Returns the exit code when all has ended.
  int run();

 private:
  enum class Phase { kStarting, kServing, kStopping };

  void advance();
  void started();
  void start_failed(int exit_code, const std::string& reason);
  void asked(Control::Ticket ticket, ipc::MasterVerb verb);
  ipc::MasterAnswer status() const;
  void reload(std::optional<Control::Ticket> ticket);
  std::optional<ipc::MasterAnswer> prepare_change();
  void change_ended(Progress progress);
  void change_took_too_long();
  void log_lines(const std::string& text);
  void end_change(int exit_code, const std::string& text);
  void stop(std::optional<Control::Ticket> ticket, const std::string& why);
  void abort(std::optional<Control::Ticket> ticket);
  void finish();
  void reap();

  event::Loop& loop_;
  Prepared in_force_;
  Report report_;
  log::Logger logger_;
  Launcher launcher_;
  Listeners listeners_;
  event::TurnEnd advance_;
  event::TurnEnd reap_;
  Crew crew_;
  std::optional<Control> control_;
  event::Signal child_ended_, terminate_, interrupt_, hang_up_;
  event::Timer change_bound_;

  Phase phase_ = Phase::kStarting;
  bool finished_ = false;
  int exit_code_ = 0;
  std::string failure_;
  std::optional<config::Configuration> next_;  // of a change under way
  std::vector<ServicePlan> next_plan_;
  std::string change_notices_;
  std::optional<Control::Ticket> change_asked_by_;
  std::vector<Control::Ticket> stop_asked_by_;
};

}  // namespace hikyaku::master
