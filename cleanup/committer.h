// Sees to it that the group goes to the disk, now, soon or in a thread, as the policy says.
#pragma once

#include <functional>

#include "cleanup/commit_policy.h"
#include "cleanup/flush_statistics.h"
#include "cleanup/flush_thread.h"
#include "cleanup/group.h"
#include "event/loop.h"
#include "ipc/messages.h"

namespace hikyaku::cleanup {

class Committer {
 public:
  struct Callbacks {
    std::function<void()> starting;                    // the last chance to add to the group; also when it is empty
    std::function<void(const ipc::Appended&)> stored;  // for qmgr; before `ended`
    std::function<void(bool stored)> ended;            // the group's frames can go, and the group takes messages again
    std::function<size_t()> waiting;                   // messages that have come since the flush began
  };

  // Throws util::StartupError as FlushThread does.
  Committer(event::Loop& loop, Group& group, Callbacks callbacks);

  // The group was added to, or `starting` will.
  void added();
  // The thread is at work: until `ended` is called, the group and its writer are not to be touched.
  bool under_way() const { return under_way_; }
  // Blocks until a flush that is under way, and what is in the group, is done with.
  void commit_now();
  const FlushStatistics& statistics() const { return statistics_; }

 private:
  void decide();
  void begin();
  void commit_in_line();
  void commit_in_thread();
  void end(bool in_thread);

  Group& group_;
  Callbacks callbacks_;
  CommitPolicy policy_;
  FlushStatistics statistics_;
  GroupSize size_;  // of the group at hand
  bool under_way_ = false;
  event::TurnEnd turn_end_;
  event::Timer gathering_;
  FlushThread thread_;  // the last: it uses the group until it has ended
};

}  // namespace hikyaku::cleanup
