// Which message is tried alone, and when; and what is in doubt.
#include "qmgr/suspects.h"

#include <catch2/catch.hpp>

#include "qmgr/doubts.h"

using namespace hikyaku;
using namespace hikyaku::qmgr;
using namespace std::chrono_literals;

namespace {

const Suspects::Monotonic kStart{};
constexpr queue::QueueId kOne{1}, kTwo{2};

}  // namespace

TEST_CASE("suspects are tried one after the other, each once for all that was said of it") {
  Suspects suspects;
  CHECK(suspects.none());
  suspects.add(kOne);
  suspects.add(kTwo);
  suspects.add(kOne);
  REQUIRE(suspects.next(kStart) == kOne);
  suspects.begin(7, kStart);
  CHECK(suspects.on_trial(7));
  CHECK_FALSE(suspects.next(kStart + 1s));
  suspects.ended(6);
  CHECK_FALSE(suspects.may_begin(kStart + 1s));
  suspects.ended(7);
  CHECK(suspects.next(kStart + 1s) == kTwo);
  CHECK(suspects.none());
  CHECK_FALSE(suspects.on_trial(0));
}

TEST_CASE("a trial at a slow next hop does not keep the others for long, and a death counts against the last one") {
  Suspects suspects;
  suspects.add(kOne);
  suspects.add(kTwo);
  suspects.next(kStart);
  suspects.begin(7, kStart);
  CHECK_FALSE(suspects.may_begin(kStart + Suspects::kLongestTrial - 1s));
  REQUIRE(suspects.next(kStart + Suspects::kLongestTrial) == kTwo);
  suspects.begin(8, kStart + Suspects::kLongestTrial);
  CHECK_FALSE(suspects.on_trial(7));
  CHECK(suspects.on_trial(8));
  suspects.ended(7);
  CHECK(suspects.on_trial(8));
}

TEST_CASE("doubts are told when there are new ones, and once a minute at most") {
  Doubts doubts;
  CHECK_FALSE(doubts.news(kStart));
  doubts.replies_lost(3);
  doubts.job_lost();
  const auto told = doubts.news(kStart);
  REQUIRE(told);
  CHECK(told->find("3 recipients") != told->npos);
  CHECK(told->find("1 jobs") != told->npos);
  CHECK_FALSE(doubts.news(kStart + 1h));
  doubts.job_lost();
  CHECK(doubts.news(kStart + 1h));
  doubts.job_lost();
  CHECK_FALSE(doubts.news(kStart + 1h + 59s));
  CHECK(doubts.news(kStart + 1h + 60s));
}
