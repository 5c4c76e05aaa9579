// A wall clock that is set while we run, or between two runs: noticed, and planned for. Pure: both clocks are
// arguments.
//
// On disk and in the plan stands wall time, so a clock that is set forward makes retries due at once, and one that is
// set back would make them wait for years. Mail must neither wait longer than it would have, nor be given up for a
// clock's sake without an attempt after the jump (retry.h).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "qmgr/retry.h"

namespace hikyaku::qmgr {

class ClockWatch {
 public:
  using Monotonic = std::chrono::steady_clock::time_point;

  // Both clocks, read one after the other. Returns by how much the wall clock was set since the last call, negative for
  // back; nothing when it went on as it should. Slow corrections, and a machine that slept for less than kTolerance,
  // are no jump. A longer sleep is one: the monotonic clock stands still meanwhile.
  std::optional<std::chrono::microseconds> look(Time wall, Monotonic monotonic);

  static constexpr std::chrono::seconds kTolerance{2};

 private:
  // Of the wall clock over the monotonic one, at the last call.
  std::optional<std::chrono::microseconds> lead_;
};

// When a recipient that waits until `due` is to be tried after the clock was set by `jump`: after a jump back it waits
// as long as it would have; after a jump forward it stands, and may be past.
Time due_after_jump(Time due, std::chrono::microseconds jump);

// For a time from the disk, planned by a clock that may have been another one: never later than the longest wait that
// the rule has after so many attempts.
Time bounded_due(const RetryRule& rule, Time due, uint32_t attempts, Time now);

}  // namespace hikyaku::qmgr
