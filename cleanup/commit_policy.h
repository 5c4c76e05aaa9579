// When the group at hand goes to the disk, and whether the loop waits for it: facts in, verdict out.
//
// Short flushes are made in line, because a thread costs more than it saves. Long ones are made in a thread, and what
// comes meanwhile waits for the next. That one would find half of the clients waiting and the other half just answered,
// and so would all after it: therefore those that are outstanding are expected for a moment.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace hikyaku::cleanup {

// A larger group would make the small messages in it wait for the disk too long.
inline constexpr uint64_t kMostGroupBytes = 8 << 20;

struct GroupSize {
  size_t messages = 0;
  size_t bodies = 0;   // of them, whose files are to be flushed
  uint64_t bytes = 0;  // without the bodies' files
};

class CommitPolicy {
 public:
  using Monotonic = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::microseconds;

  enum class Act { kInLine, kInThread, kWait };
  struct Verdict {
    Act act = Act::kInLine;
    Duration wait{};  // at most so long; ask again when a message was added
    bool operator==(const Verdict&) const = default;
  };

  // For a group that is not empty.
  Verdict decide(const GroupSize& group, Monotonic now) const;
  // `group` was flushed, which took `took`; `waiting` messages had come meanwhile.
  void flushed(const GroupSize& group, Duration took, size_t waiting, Monotonic now);

 private:
  bool long_flushes_ = false;
  Duration usual_{};        // of groups without bodies, smoothed
  size_t expected_ = 0;     // messages that may come together
  Monotonic wait_until_{};  // and no longer
};

}  // namespace hikyaku::cleanup
