// The retry rule: table D1, its end, and clocks that jump.
#include "qmgr/retry.h"

#include <catch2/catch.hpp>

#include <vector>

using namespace hikyaku::qmgr;
using std::chrono::microseconds;
using std::chrono::seconds;

namespace {

const Time kQueued{seconds{1'457'420'514}};

RetryRule linear(seconds a, seconds period) { return {period, RetryMethod::kLinear, a, seconds{0}, 0}; }
RetryRule exponential(seconds a, seconds b, seconds period) { return {period, RetryMethod::kExponential, a, b, 0}; }

// Seconds after the arrival at which retries come when every attempt fails after `attempt_time`.
std::vector<int64_t> schedule(const RetryRule& rule, microseconds attempt_time = {}) {
  std::vector<int64_t> due;
  Time now = kQueued + attempt_time;
  for (uint32_t n = 1;; ++n) {
    const auto next = next_attempt(rule, {now, kQueued, n, 0.5, true});
    if (!next) return due;
    due.push_back(std::chrono::floor<seconds>(*next - kQueued).count());
    now = *next + attempt_time;
  }
}

}  // namespace

TEST_CASE("with the defaults 18 retries come at the times of table D1 (rows 42-44)") {
  struct Row {
    uint32_t n;
    int64_t interval, elapsed;
  };
  const Row table[] = {
      {1, 240, 240},     {2, 720, 960},     {3, 1200, 2160},   {4, 1680, 3840},   {5, 2160, 6000},   {6, 2640, 8640},
      {7, 3120, 11760},  {8, 3600, 15360},  {9, 4080, 19440},  {10, 4560, 24000}, {11, 5040, 29040}, {12, 5520, 34560},
      {13, 6000, 40560}, {14, 6480, 47040}, {15, 6960, 54000}, {16, 7440, 61440}, {17, 7920, 69360}, {18, 8400, 77760},
  };
  const RetryRule rule;
  Time now = kQueued;
  for (const Row& row : table) {
    const auto next = next_attempt(rule, {now, kQueued, row.n, 0.5, true});
    REQUIRE(next.has_value());
    CHECK(*next - now == seconds{row.interval});
    CHECK(*next - kQueued == seconds{row.elapsed});
    now = *next;
  }
  CHECK_FALSE(next_attempt(rule, {now, kQueued, 19, 0.5, true}).has_value());
}

TEST_CASE("giving up is judged when the retry is planned, and the period itself is still allowed (rows 36, 40; C2)") {
  const RetryRule rule;  // retry 18 comes 8400 s after the failure of the one before
  const Time last = kQueued + seconds{86400 - 8400};
  CHECK(next_attempt(rule, {last, kQueued, 18, 0.5, true}) == kQueued + seconds{86400});
  CHECK_FALSE(next_attempt(rule, {last + microseconds{1}, kQueued, 18, 0.5, true}).has_value());
}

TEST_CASE("the schedules of table D2 come out as they stand there") {
  CHECK(schedule(linear(seconds{21600}, seconds{86400})) == std::vector<int64_t>{21600, 43200, 64800, 86400});
  CHECK(schedule(exponential(seconds{0}, seconds{300}, seconds{900})) == std::vector<int64_t>{300, 600, 900});
  CHECK(schedule(exponential(seconds{60}, seconds{0}, seconds{360})) == std::vector<int64_t>{60, 180, 360});
}

TEST_CASE("time spent in attempts shifts the schedule (table D1)") {
  CHECK(schedule(linear(seconds{21600}, seconds{86400}), seconds{1}) == std::vector<int64_t>{21601, 43202, 64803});
  CHECK(schedule(RetryRule{}, seconds{480}).size() == 18);  // 18 attempts before the last retry: 8640 s
  CHECK(schedule(RetryRule{}, seconds{481}).size() == 17);
}

TEST_CASE("jitter moves a retry by its percentage to either side, and not at all when it is 0") {
  RetryRule rule = linear(seconds{1000}, seconds{86400});
  CHECK(next_attempt(rule, {kQueued, kQueued, 1, 0.0, true}) == kQueued + seconds{1000});
  CHECK(next_attempt(rule, {kQueued, kQueued, 1, 0.99, true}) == kQueued + seconds{1000});
  rule.jitter_percent = 10;
  CHECK(next_attempt(rule, {kQueued, kQueued, 1, 0.0, true}) == kQueued + seconds{900});
  CHECK(next_attempt(rule, {kQueued, kQueued, 1, 0.25, true}) == kQueued + seconds{950});
  CHECK(next_attempt(rule, {kQueued, kQueued, 1, 0.5, true}) == kQueued + seconds{1000});
  CHECK(next_attempt(rule, {kQueued, kQueued, 1, 0.75, true}) == kQueued + seconds{1050});
}

TEST_CASE("a skipped pass asks for the same retry again, and the period still ends (C36)") {
  const RetryRule rule;
  CHECK(next_attempt(rule, {kQueued + seconds{1000}, kQueued, 3, 0.5, true}) == kQueued + seconds{2200});
  CHECK(next_attempt(rule, {kQueued + seconds{2200}, kQueued, 3, 0.5, true}) == kQueued + seconds{3400});
  CHECK_FALSE(next_attempt(rule, {kQueued + seconds{85201}, kQueued, 3, 0.5, true}).has_value());
}

TEST_CASE("a clock that jumped forward gives nothing up before another attempt") {
  const Time now = kQueued + std::chrono::hours{24 * 400};
  CHECK(next_attempt(RetryRule{}, {now, kQueued, 1, 0.5, false}) == now);
  CHECK_FALSE(next_attempt(RetryRule{}, {now, kQueued, 1, 0.5, true}).has_value());
}

TEST_CASE("a clock that stands before the arrival neither ends retrying nor lets it go on for ever") {
  const Time now = kQueued - std::chrono::hours{24 * 3650};
  CHECK(next_attempt(RetryRule{}, {now, kQueued, 1, 0.5, true}) == now + seconds{240});
  CHECK(next_attempt(RetryRule{}, {now, kQueued, 18, 0.5, true}) == now + seconds{8400});
  CHECK_FALSE(next_attempt(RetryRule{}, {now, kQueued, 19, 0.5, true}).has_value());
}

TEST_CASE("the largest numbers do not overflow") {
  const seconds year = std::chrono::hours{365 * 24};
  const RetryRule rule = exponential(year, seconds{1} - year, year);
  CHECK_FALSE(next_attempt(rule, {kQueued, kQueued, UINT32_MAX, 0.99, true}).has_value());
  CHECK_FALSE(next_attempt(rule, {kQueued - seconds{1}, kQueued, UINT32_MAX, 0.99, true}).has_value());
}

TEST_CASE("retry number 0 is taken as the first") {
  CHECK(next_attempt(RetryRule{}, {kQueued, kQueued, 0, 0.5, true}) == kQueued + seconds{240});
}
