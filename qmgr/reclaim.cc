// Decides about reclaim.
#include "qmgr/reclaim.h"

#include <algorithm>

namespace hikyaku::qmgr {

namespace {

// Beyond twice what is alive: a small queue never copies.
constexpr uint64_t kSlack = 2;  // segments
// With less space than so many segments, what can be had is had sooner.
constexpr uint64_t kFewFree = 4;

struct Totals {
  uint64_t size = 0;
  uint64_t live = 0;
  uint64_t segment = 0;  // size of the largest
};

// Without segments that are about to be freed.
Totals add_up(std::span<const SegmentFacts> segments) {
  Totals totals;
  for (const SegmentFacts& segment : segments) {
    totals.segment = std::max(totals.segment, segment.size);
    if (segment.alive == 0 && segment.is_movable) continue;
    totals.size += segment.size;
    totals.live += segment.live_bytes;
  }
  return totals;
}

// The cheapest: the least to copy. One that is full of living messages gains nothing.
const SegmentFacts* cheapest(std::span<const SegmentFacts> segments) {
  const SegmentFacts* best = nullptr;
  for (const SegmentFacts& segment : segments) {
    if (!segment.is_movable || segment.alive == 0 || segment.live_bytes > segment.size / 10 * 9) continue;
    if (best == nullptr || segment.live_bytes < best->live_bytes) best = &segment;
  }
  return best;
}

}  // namespace

std::optional<Reclaim> decide_reclaim(const LogFacts& facts) {
  const Totals totals = add_up(facts.segments);
  const bool is_short = facts.free_space && *facts.free_space < kFewFree * totals.segment;
  const uint64_t wanted = is_short ? totals.live + totals.live / 4 : 2 * totals.live;
  const uint64_t start = wanted + kSlack * totals.segment;
  if (totals.size <= start) return std::nullopt;
  const SegmentFacts* const victim = cheapest(facts.segments);
  if (victim == nullptr) return std::nullopt;

  // To free as much as is appended, so much is to be copied: for each dead byte, what lives beside it.
  const double live = static_cast<double>(victim->live_bytes);
  const double share = live / std::max(static_cast<double>(victim->size) - live, 1.0);
  // Four times that when the log is two and a half times as large as what is alive.
  const double excess = static_cast<double>(totals.size - start);
  const double pressure = std::min(excess / std::max(static_cast<double>(totals.live) / 2, 1.0), 1.0);
  const double pace = static_cast<double>(facts.appended) * share * (1 + 3 * pressure) + kIdlePace;
  return Reclaim{victim->number, static_cast<uint64_t>(std::min(pace, static_cast<double>(kFullPace)))};
}

}  // namespace hikyaku::qmgr
