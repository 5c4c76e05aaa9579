// How long a client is waited for.
#include "smtpd/patience.h"

#include <catch2/catch.hpp>

using namespace hikyaku::smtpd;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {
const Patience::Time kStart{seconds(1000)};
}

TEST_CASE("a client has the whole time from its turn's begin, and no more for doing nothing") {
  Patience patience(seconds(10), 500);
  patience.begin(kStart);
  CHECK(patience.left(kStart) == seconds(10));
  CHECK(patience.left(kStart + seconds(4)) == seconds(6));
  CHECK(patience.left(kStart + seconds(11)) == seconds(0));
  patience.begin(kStart + seconds(9));
  CHECK(patience.left(kStart + seconds(9)) == seconds(10));
}

TEST_CASE("content that comes slower than the least rate runs out of time, content as fast never does") {
  const struct {
    size_t octets_a_second;
    int lasts;  // seconds, 0: for ever
  } rows[] = {{0, 10}, {1, 11}, {50, 12}, {250, 20}, {400, 50}, {500, 0}, {5000, 0}};
  for (const auto& row : rows) {
    CAPTURE(row.octets_a_second);
    Patience patience(seconds(10), 500);
    patience.begin(kStart);
    int second = 0;
    while (second < 3600 && patience.left(kStart + seconds(second)) > seconds(0))
      patience.received(kStart + seconds(++second), row.octets_a_second);
    CHECK(second >= (row.lasts == 0 ? 3600 : row.lasts - 1));
    CHECK(second <= (row.lasts == 0 ? 3600 : row.lasts + 1));
  }
}

TEST_CASE("content buys no more time than there was at the beginning") {
  Patience patience(seconds(10), 500);
  patience.begin(kStart);
  patience.received(kStart + milliseconds(1), 100 << 20);
  CHECK(patience.left(kStart + milliseconds(1)) == seconds(10));
}
