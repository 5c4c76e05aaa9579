// Messages that a worker died with.
#include "qmgr/suspects.h"

#include <algorithm>

namespace hikyaku::qmgr {

void Suspects::add(queue::QueueId id) {
  if (std::ranges::find(waiting_, id) == waiting_.end()) waiting_.push_back(id);
}

bool Suspects::may_begin(Monotonic now) const {
  return !waiting_.empty() && (job_ == 0 || now >= begun_ + kLongestTrial);
}

std::optional<queue::QueueId> Suspects::next(Monotonic now) {
  if (!may_begin(now)) return std::nullopt;
  const queue::QueueId id = waiting_.front();
  waiting_.pop_front();
  return id;
}

void Suspects::begin(uint64_t job, Monotonic now) {
  job_ = job;
  begun_ = now;
}

void Suspects::ended(uint64_t job) {
  if (job == job_) job_ = 0;
}

}  // namespace hikyaku::qmgr
