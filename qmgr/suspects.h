// Messages that a worker died with: each is tried alone, so that the one that kills workers is found and the others are
// cleared. Pure.
//
// "Alone" means: one suspect is on trial at a time. A trial that lasts, because the next hop is slow, makes room for
// the next one after a while: what kills a worker does so soon. A death counts against the one whose trial began last.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>

#include "queue/queue_id.h"

namespace hikyaku::qmgr {

class Suspects {
 public:
  using Monotonic = std::chrono::steady_clock::time_point;
  // A worker died with it among others, and twice with it alone: it goes on hold.
  static constexpr uint8_t kMostDeaths = 3;
  static constexpr auto kLongestTrial = std::chrono::seconds(10);

  // Takes its place at the end, unless it is waiting already.
  void add(queue::QueueId id);
  // The next, when a trial may begin now.
  std::optional<queue::QueueId> next(Monotonic now);
  bool may_begin(Monotonic now) const;
  bool none() const { return waiting_.empty() && job_ == 0; }

  // The job by which next() is tried, and its end.
  void begin(uint64_t job, Monotonic now);
  void ended(uint64_t job);
  bool on_trial(uint64_t job) const { return job != 0 && job == job_; }

 private:
  std::deque<queue::QueueId> waiting_;
  uint64_t job_ = 0;  // on trial
  Monotonic begun_{};
};

}  // namespace hikyaku::qmgr
