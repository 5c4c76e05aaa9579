// Clocks that are set, forward and back, by a day, a year and to 1970.
#include "qmgr/clock_jump.h"

#include <catch2/catch.hpp>

using namespace hikyaku::qmgr;
using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

const Time kNow{seconds{1'795'557'600}};
const ClockWatch::Monotonic kUp{hours{5}};
const seconds kDay{86400}, kYear{365 * 86400};
const seconds kTo1970{-1'795'557'600};

}  // namespace

TEST_CASE("a clock that is set is noticed at the next look, once, and by how much") {
  for (const seconds jump : {kDay, -kDay, kYear, -kYear, kTo1970, seconds{3}, seconds{-3}}) {
    INFO(jump.count() << " s");
    ClockWatch watch;
    CHECK_FALSE(watch.look(kNow, kUp));
    CHECK_FALSE(watch.look(kNow + milliseconds{200}, kUp + milliseconds{200}));
    CHECK(watch.look(kNow + milliseconds{400} + jump, kUp + milliseconds{400}) == std::optional<microseconds>(jump));
    CHECK_FALSE(watch.look(kNow + milliseconds{600} + jump, kUp + milliseconds{600}));
  }
}

TEST_CASE("time that passes, and a clock that is corrected slowly, are no jump") {
  ClockWatch watch;
  Time wall = kNow;
  auto up = kUp;
  for (int n = 0; n < 100; ++n) {
    CHECK_FALSE(watch.look(wall, up));
    wall += seconds{1000} + milliseconds{500};  // 500 ppm
    up += seconds{1000};
  }
}

TEST_CASE("after a jump back a retry waits as long as it would have, after one forward it is due as planned") {
  const Time due = kNow + seconds{240};
  CHECK(due_after_jump(due, -kDay) - (kNow - kDay) == seconds{240});
  CHECK(due_after_jump(due, -kYear) - (kNow - kYear) == seconds{240});
  CHECK(due_after_jump(due, kTo1970) - (kNow + kTo1970) == seconds{240});
  CHECK(due_after_jump(due, kDay) < kNow + kDay);
  CHECK(due_after_jump(due, kYear) < kNow + kYear);
}

TEST_CASE("a time from the disk is at most the rule's longest wait away") {
  RetryRule rule;  // 480·n − 240
  CHECK(bounded_due(rule, kNow + seconds{100}, 1, kNow) == kNow + seconds{100});
  CHECK(bounded_due(rule, kNow - kYear, 1, kNow) == kNow - kYear);
  for (const seconds ahead : {seconds{241}, kDay, kYear, 50 * kYear}) {
    CHECK(bounded_due(rule, kNow + ahead, 1, kNow) == kNow + seconds{240});
    CHECK(bounded_due(rule, kNow + ahead, 0, kNow) == kNow + seconds{240});
  }
  CHECK(bounded_due(rule, kNow + 50 * kYear, 3, kNow) == kNow + seconds{1200});
  CHECK(bounded_due(rule, kNow + 50 * kYear, 4'000'000, kNow) == kNow + rule.period);
  rule.jitter_percent = 50;
  CHECK(bounded_due(rule, kNow + 50 * kYear, 1, kNow) == kNow + seconds{360});
}
