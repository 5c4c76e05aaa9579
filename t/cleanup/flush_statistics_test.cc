// What the operator is told of groups and flushes.
#include "cleanup/flush_statistics.h"

#include <catch2/catch.hpp>

using namespace hikyaku::cleanup;
using namespace std::chrono_literals;

TEST_CASE("quantiles are exact for small values and a quarter too high at most for others") {
  Quantiles quantiles;
  CHECK(quantiles.at(0.5) == 0);
  for (uint64_t value = 1; value <= 4; ++value) quantiles.add(value);
  CHECK(quantiles.at(0.25) == 1);
  CHECK(quantiles.at(0.5) == 2);
  CHECK(quantiles.at(1) == 4);
  for (const uint64_t value : {9ull, 100ull, 777ull, 5'000ull, 1'234'567ull, 20'000'000ull}) {
    CAPTURE(value);
    Quantiles alone;
    alone.add(value);
    alone.add(value * 2);
    CHECK(alone.at(0.5) >= value);
    CHECK(alone.at(0.5) <= value * 5 / 4);
    CHECK(alone.at(1) == value * 2);
  }
  quantiles.add(UINT64_MAX);
  CHECK(quantiles.at(1) == UINT64_MAX);
}

TEST_CASE("one line tells how many groups there were, how large, and what the disk took") {
  FlushStatistics statistics;
  CHECK(statistics.empty());
  for (int i = 0; i < 3; ++i) statistics.add(2, 500us, false);
  statistics.add(4, 6000us, true);
  CHECK_FALSE(statistics.empty());
  CHECK(statistics.text() ==
        "groups: 4, 1 of them flushed in a thread; messages in a group: mean 2.5, p50 2, p99 4; "
        "flush: p50 0.57 ms, p99 6.00 ms");
}
