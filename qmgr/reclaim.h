// Decides which segment of the log is emptied next, and how fast, so that what is dead takes little of the disk: pure.
//
// A segment goes when nothing in it is alive, and a queue whose messages stay for hours leaves a few living ones in
// each. Copying these to the log's end costs writing, so it is done only when the log is more than twice as large as
// what is alive in it, and no faster than keeps it below two and a half times.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace hikyaku::qmgr {

struct SegmentFacts {
  uint32_t number = 0;
  uint64_t size = 0;        // bytes of its file
  uint64_t live_bytes = 0;  // of them, alive
  uint64_t alive = 0;       // messages
  bool is_movable = false;  // it may be emptied now
};

struct LogFacts {
  std::span<const SegmentFacts> segments;
  uint64_t appended = 0;               // bytes of new mail since the last look
  std::optional<uint64_t> free_space;  // bytes of disk, if known
};

struct Reclaim {
  uint32_t segment = 0;  // the one to empty
  uint64_t bytes = 0;    // that may be copied until the next look

  bool operator==(const Reclaim&) const = default;
};

// Nothing: it is not worth it, or nothing can be moved.
std::optional<Reclaim> decide_reclaim(const LogFacts& facts);

// What a look allows when nothing is appended: with five looks a second a segment takes some seconds, and other writes
// hardly notice.
inline constexpr uint64_t kIdlePace = 1 << 20;
// And at most, so that mail has the disk too.
inline constexpr uint64_t kFullPace = 16 << 20;

}  // namespace hikyaku::qmgr
