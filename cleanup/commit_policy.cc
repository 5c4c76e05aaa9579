// When the group goes to the disk.
#include "cleanup/commit_policy.h"

#include <algorithm>

namespace hikyaku::cleanup {

namespace {

using namespace std::chrono_literals;

// Apart, so that a disk between the two does not make the verdict change all the time.
constexpr CommitPolicy::Duration kLong = 1500us, kShort = 1000us;
// No flush counts for more, so that it takes many long ones and not some very long: a disk that others keep busy has
// those.
constexpr CommitPolicy::Duration kMostCounted = 2500us;
constexpr int kSmoothing = 8;
constexpr CommitPolicy::Duration kLongestWait = 2ms;

}  // namespace

CommitPolicy::Verdict CommitPolicy::decide(const GroupSize& group, Monotonic now) const {
  const bool full = group.messages >= expected_ || group.bytes >= kMostGroupBytes;
  if (!full && now < wait_until_) return {Act::kWait, std::chrono::ceil<Duration>(wait_until_ - now)};
  return {long_flushes_ || group.bodies > 0 ? Act::kInThread : Act::kInLine, {}};
}

void CommitPolicy::flushed(const GroupSize& group, Duration took, size_t waiting, Monotonic now) {
  if (group.bodies == 0) {  // files of bodies say little about the next group
    usual_ += (std::min(took, kMostCounted) - usual_) / kSmoothing;
    if (usual_ > kLong) long_flushes_ = true;
    if (usual_ < kShort) long_flushes_ = false;
  }
  expected_ = group.messages + waiting;
  // Where flushes are short, those who were answered are not missed: the wait would cost more than a flush of theirs.
  wait_until_ = long_flushes_ || group.bodies > 0 ? now + std::min(took, kLongestWait) : now;
}

}  // namespace hikyaku::cleanup
