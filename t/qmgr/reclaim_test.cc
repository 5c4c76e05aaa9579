// Which segment is emptied, and how fast: by a table, and in a queue that lives for hours.
#include "qmgr/reclaim.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <random>
#include <vector>

using namespace hikyaku::qmgr;

namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kSize = 64 * kMiB;

SegmentFacts segment(uint32_t number, uint64_t live, bool is_movable = true) {
  return {number, kSize, live * kMiB, live > 0 ? 100u : 0u, is_movable};
}

// The queue of a long outage elsewhere: so much is always there, each message leaves at a random time.
class SteadyQueue {
 public:
  explicit SteadyQueue(size_t resident) : resident_(resident) { segments_.emplace_back(); }

  // A message, of which there are 1024 in a segment, comes; another one goes.
  void step() {
    append();
    ++arrived_;
    if (where_.size() <= resident_) return;
    const size_t one = std::uniform_int_distribution<size_t>(0, where_.size() - 1)(random_);
    --segments_[where_[one]].alive;
    where_[one] = where_.back();
    where_.pop_back();
  }
  // As qmgr looks; all that may be copied is copied at once.
  void look() {
    std::vector<SegmentFacts> facts;
    for (uint32_t number = 0; number < segments_.size(); ++number) {
      const Segment& one = segments_[number];
      if (one.freed) continue;
      facts.push_back({number, kSize, one.alive * kRecord, one.alive, number + 1 < segments_.size()});
    }
    const auto verdict = decide_reclaim({facts, std::exchange(arrived_, 0) * kRecord, {}});
    if (verdict) move(verdict->segment, credit_ += verdict->bytes);
    if (!verdict) credit_ = 0;
    for (uint32_t number = 0; number + 1 < segments_.size(); ++number)
      if (segments_[number].alive == 0) segments_[number].freed = true;
  }
  double ratio() const {
    const auto there = std::ranges::count_if(segments_, [](const Segment& one) { return !one.freed; });
    return static_cast<double>(static_cast<uint64_t>(there) * kSize) /
           static_cast<double>(std::max<size_t>(where_.size(), 1) * kRecord);
  }
  size_t segments() const {
    return static_cast<size_t>(std::ranges::count_if(segments_, [](const Segment& one) { return !one.freed; }));
  }
  uint64_t copied() const { return copied_; }
  void drain() { resident_ = 0; }
  void leave(size_t messages) {
    for (; messages > 0 && !where_.empty(); --messages) {
      --segments_[where_.back()].alive;
      where_.pop_back();
    }
  }
  void shuffle() { std::ranges::shuffle(where_, random_); }

 private:
  static constexpr uint64_t kRecord = kSize / 1024;
  struct Segment {
    uint64_t used = 0;  // records
    uint64_t alive = 0;
    bool freed = false;
  };

  void append() {
    if (segments_.back().used == 1024) segments_.emplace_back();
    ++segments_.back().used;
    ++segments_.back().alive;
    where_.push_back(static_cast<uint32_t>(segments_.size() - 1));
  }
  void move(uint32_t from, uint64_t) {
    for (size_t i = 0; i < where_.size() && credit_ >= kRecord; ++i) {
      if (where_[i] != from) continue;
      --segments_[from].alive;
      append();
      where_[i] = where_.back();
      where_.pop_back();
      credit_ -= kRecord;
      ++copied_;
    }
  }

  size_t resident_;
  std::mt19937 random_{17};
  std::vector<Segment> segments_;
  std::vector<uint32_t> where_;  // the living messages' segments
  uint64_t arrived_ = 0, credit_ = 0, copied_ = 0;
};

}  // namespace

TEST_CASE("the segment with the least that is alive is emptied, once half of the log is dead") {
  struct Row {
    const char* what;
    std::vector<SegmentFacts> segments;
    std::optional<uint32_t> chosen;
  };
  const std::vector<Row> rows{
      {"a small queue never copies", {segment(1, 1), segment(2, 1, false)}, {}},
      {"half is alive", {segment(1, 30), segment(2, 34), segment(3, 32), segment(4, 32, false)}, {}},
      {"little is alive", {segment(1, 9), segment(2, 3), segment(3, 8), segment(4, 5, false)}, 2},
      {"the cheapest may not be moved", {segment(1, 9), segment(2, 3, false), segment(3, 8), segment(4, 5)}, 4},
      {"none may be moved", {segment(1, 9, false), segment(2, 3, false), segment(3, 8, false)}, {}},
      {"what is about to be freed does not count", {segment(1, 0), segment(2, 0), segment(3, 0), segment(4, 9)}, {}},
      {"dead, but not yet to be freed", {segment(1, 0, false), segment(2, 0, false), segment(3, 4)}, 3},
      {"full ones gain nothing",
       {segment(1, 60), segment(2, 0, false), segment(3, 0, false), segment(4, 0, false), segment(5, 0, false),
        segment(6, 0, false)},
       {}},
      {"none", {}, {}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto verdict = decide_reclaim({row.segments, 0, {}});
    CHECK((verdict ? std::optional(verdict->segment) : std::nullopt) == row.chosen);
  }
}

TEST_CASE("as much is copied as what is appended needs, more when the log is large, and a little when nothing comes") {
  const std::vector<SegmentFacts> near{segment(1, 32),        segment(2, 32),       segment(3, 32),
                                       segment(4, 32),        segment(5, 20),       segment(6, 40, false),
                                       segment(7, 32, false), segment(8, 32, false)};
  CHECK_FALSE(decide_reclaim({near, 10 * kMiB, {}}));
  const std::vector<SegmentFacts> large{segment(1, 32), segment(2, 12), segment(3, 12), segment(4, 12, false),
                                        segment(5, 12, false)};
  const auto idle = decide_reclaim({large, 0, {}});
  REQUIRE(idle);
  CHECK(idle->bytes == kIdlePace);
  const auto busy = decide_reclaim({large, 10 * kMiB, {}});
  REQUIRE(busy);
  CHECK(busy->bytes > kIdlePace + 10 * kMiB * 12 / 52);
  CHECK(decide_reclaim({large, 10'000 * kMiB, {}})->bytes == kFullPace);
}

TEST_CASE("when space is short, what can be had is had sooner") {
  const std::vector<SegmentFacts> half{segment(1, 30), segment(2, 34), segment(3, 32),
                                       segment(4, 32), segment(5, 32), segment(6, 32, false)};
  CHECK_FALSE(decide_reclaim({half, 0, 100 * kSize}));
  CHECK(decide_reclaim({half, 0, kSize}));
}

TEST_CASE("a queue with a constant number of messages stays below two and a half times their size, and ends small") {
  SteadyQueue queue(20 * 1024);
  double worst = 0;
  uint64_t steps = 0;
  for (; steps < 400 * 1024; ++steps) {
    queue.step();
    if (steps % 128 == 0) queue.look();
    if (steps > 40 * 1024) worst = std::max(worst, queue.ratio());
  }
  CHECK(worst < 2.5);
  CHECK(worst > 1.5);
  CHECK(queue.copied() > 0);
  CHECK(static_cast<double>(queue.copied()) < 1.0 * static_cast<double>(steps));

  // All but some of them go, and nothing comes: it ends by itself.
  queue.shuffle();
  queue.leave(20 * 1024 - 100);
  for (int i = 0; i < 1000; ++i) queue.look();
  CHECK(queue.segments() <= 3);
  const uint64_t copied = queue.copied();
  for (int i = 0; i < 100; ++i) queue.look();
  CHECK(queue.copied() == copied);
}
