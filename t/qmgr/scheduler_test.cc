// Which job goes out next: lanes, windows, turns, and that nothing starves.
#include "qmgr/scheduler.h"

#include <catch2/catch.hpp>

#include <map>
#include <random>
#include <string>

using namespace hikyaku;
using namespace hikyaku::qmgr;

namespace {

using Ended = Scheduler::Ended;

NextHop hop(const std::string& name) { return {name, 25, false}; }
Task task(uint64_t id, Lane lane = Lane::kFirst) { return {queue::QueueId{id}, {0}, lane}; }

// All that may go now.
std::vector<Scheduler::Pick> take_all(Scheduler& scheduler) {
  std::vector<Scheduler::Pick> picks;
  while (auto pick = scheduler.next()) picks.push_back(std::move(*pick));
  return picks;
}
std::vector<uint64_t> ids(const std::vector<Scheduler::Pick>& picks) {
  std::vector<uint64_t> result;
  for (const auto& pick : picks) result.push_back(pick.task.id.value);
  return result;
}

constexpr WindowRule kOneEach{.initial = 2, .most = 4, .jobs_each = 1};

}  // namespace

TEST_CASE("nothing is ready, nothing goes") {
  Scheduler scheduler(kOneEach);
  scheduler.destination(hop("a"));
  CHECK_FALSE(scheduler.next().has_value());
  CHECK(scheduler.waiting() == 0);
}

TEST_CASE("a destination is the same for the same host, port and form") {
  Scheduler scheduler(kOneEach);
  Destination& a = scheduler.destination(hop("a"));
  CHECK(&scheduler.destination(hop("a")) == &a);
  CHECK(&scheduler.destination({"a", 587, false}) != &a);
  CHECK(&scheduler.destination({"a", 25, true}) != &a);
  CHECK(a.hop() == hop("a"));
}

TEST_CASE("tasks of a destination go in the order in which they came, as many as its window allows") {
  Scheduler scheduler({.initial = 2, .most = 4, .jobs_each = 3});
  Destination& a = scheduler.destination(hop("a"));
  for (uint64_t id = 1; id <= 10; ++id) scheduler.add(a, task(id));
  CHECK(scheduler.waiting() == 10);
  CHECK(ids(take_all(scheduler)) == std::vector<uint64_t>{1, 2, 3, 4, 5, 6});
  CHECK(scheduler.waiting() == 4);
  scheduler.ended(a, Lane::kFirst, Ended::kNotTried);
  CHECK(ids(take_all(scheduler)) == std::vector<uint64_t>{7});
}

TEST_CASE("an answer opens the window by one up to the limit, and an unreachable hop halves it down to one") {
  Scheduler scheduler(kOneEach);
  Destination& a = scheduler.destination(hop("a"));
  for (uint64_t id = 1; id <= 100; ++id) scheduler.add(a, task(id));
  size_t in_hand = take_all(scheduler).size();
  CHECK(in_hand == 2);
  const auto end_one = [&](Ended how) {
    scheduler.ended(a, Lane::kFirst, how);
    in_hand += take_all(scheduler).size() - 1;
    return in_hand;
  };
  CHECK(end_one(Ended::kAnswered) == 3);
  CHECK(end_one(Ended::kAnswered) == 4);
  CHECK(end_one(Ended::kAnswered) == 4);
  CHECK(end_one(Ended::kNotTried) == 4);
  CHECK(end_one(Ended::kUnreachable) == 3);  // the window is 2: nothing goes until only one is left in hand
  CHECK(end_one(Ended::kUnreachable) == 2);
  CHECK(end_one(Ended::kUnreachable) == 1);
  CHECK(end_one(Ended::kUnreachable) == 1);  // a dead destination still gets its probe
  CHECK(end_one(Ended::kUnreachable) == 1);
  CHECK(end_one(Ended::kAnswered) == 2);
}

TEST_CASE("a smaller limit after a reload holds for destinations that had opened further") {
  Scheduler scheduler({.initial = 8, .most = 8, .jobs_each = 1});
  Destination& a = scheduler.destination(hop("a"));
  for (uint64_t id = 1; id <= 20; ++id) scheduler.add(a, task(id));
  CHECK(take_all(scheduler).size() == 8);
  scheduler.set_rule({.initial = 2, .most = 2, .jobs_each = 1});
  for (int i = 0; i < 6; ++i) scheduler.ended(a, Lane::kFirst, Ended::kAnswered);
  CHECK(take_all(scheduler).empty());
  scheduler.ended(a, Lane::kFirst, Ended::kAnswered);
  CHECK(take_all(scheduler).size() == 1);
}

TEST_CASE("destinations take turns, however much waits for one of them") {
  Scheduler scheduler({.initial = 10, .most = 10, .jobs_each = 1});
  Destination &a = scheduler.destination(hop("a")), &b = scheduler.destination(hop("b")),
              &c = scheduler.destination(hop("c"));
  for (uint64_t id = 1; id <= 5; ++id) scheduler.add(a, task(100 + id));
  for (uint64_t id = 1; id <= 2; ++id) scheduler.add(b, task(200 + id));
  scheduler.add(c, task(301));
  CHECK(ids(take_all(scheduler)) == std::vector<uint64_t>{101, 201, 301, 102, 202, 103, 104, 105});
}

TEST_CASE("a full destination does not stand before others") {
  Scheduler scheduler(kOneEach);
  Destination &dead = scheduler.destination(hop("dead")), &alive = scheduler.destination(hop("alive"));
  for (uint64_t id = 1; id <= 1000; ++id) scheduler.add(dead, task(id));
  CHECK(take_all(scheduler).size() == 2);
  scheduler.add(alive, task(2000));
  CHECK(ids(take_all(scheduler)) == std::vector<uint64_t>{2000});
}

TEST_CASE("first attempts go before retries, but a retry always has a place") {
  Scheduler scheduler({.initial = 16, .most = 16, .jobs_each = 1});
  Destination& a = scheduler.destination(hop("a"));
  for (uint64_t id = 1; id <= 50; ++id) scheduler.add(a, task(1000 + id, Lane::kRetry));
  for (uint64_t id = 1; id <= 50; ++id) scheduler.add(a, task(id));
  std::map<Lane, int> in_hand;
  for (const auto& pick : take_all(scheduler)) ++in_hand[pick.task.lane];
  CHECK(in_hand[Lane::kRetry] == 2);  // one in eight
  CHECK(in_hand[Lane::kFirst] == 14);
}

TEST_CASE("retries alone take at most half of the window, so that new mail finds room at once") {
  Scheduler scheduler({.initial = 8, .most = 8, .jobs_each = 1});
  Destination& a = scheduler.destination(hop("a"));
  for (uint64_t id = 1; id <= 50; ++id) scheduler.add(a, task(1000 + id, Lane::kRetry));
  CHECK(take_all(scheduler).size() == 4);
  scheduler.add(a, task(1));
  CHECK(ids(take_all(scheduler)) == std::vector<uint64_t>{1});
  // A retry that ended makes room for the next one.
  scheduler.ended(a, Lane::kRetry, Ended::kAnswered);
  const auto next = take_all(scheduler);
  REQUIRE(next.size() == 1);
  CHECK(next.front().task.lane == Lane::kRetry);
}

TEST_CASE("a window of one serves retries and first attempts both") {
  Scheduler scheduler({.initial = 1, .most = 1, .jobs_each = 1});
  Destination& a = scheduler.destination(hop("a"));
  scheduler.add(a, task(1, Lane::kRetry));
  for (uint64_t id = 2; id <= 5; ++id) scheduler.add(a, task(id));
  std::vector<uint64_t> order;
  while (auto pick = scheduler.next()) {
    order.push_back(pick->task.id.value);
    scheduler.ended(a, pick->task.lane, Ended::kAnswered);
  }
  CHECK(order.size() == 5);
  CHECK(scheduler.waiting() == 0);
}

TEST_CASE("what was not tried goes first when it is put back") {
  Scheduler scheduler(kOneEach);
  Destination& a = scheduler.destination(hop("a"));
  for (uint64_t id = 1; id <= 4; ++id) scheduler.add(a, task(id));
  auto picks = take_all(scheduler);
  scheduler.ended(a, Lane::kFirst, Ended::kNotTried);
  scheduler.put_back(a, std::move(picks[0].task));
  CHECK(scheduler.waiting() == 3);
  CHECK(ids(take_all(scheduler)) == std::vector<uint64_t>{1});
}

TEST_CASE("whatever happens, every task goes out, none twice, and no window is exceeded") {
  std::mt19937 random(5);
  const WindowRule rule{.initial = 3, .most = 6, .jobs_each = 2};
  Scheduler scheduler(rule);
  std::vector<Destination*> all;
  for (const char* name : {"a", "b", "c", "d"}) all.push_back(&scheduler.destination(hop(name)));
  std::vector<Scheduler::Pick> in_hand;
  std::map<Destination*, unsigned> count;
  std::map<uint64_t, int> done;
  uint64_t added = 0;
  for (int step = 0; step < 20'000; ++step) {
    const bool adding = step < 10'000;
    if (adding && random() % 2 == 0)
      scheduler.add(*all[random() % all.size()], task(++added, random() % 3 == 0 ? Lane::kRetry : Lane::kFirst));
    if (random() % 2 == 0) {
      if (auto pick = scheduler.next()) {
        if (++count[pick->destination] > rule.most * rule.jobs_each) FAIL("more in hand than the window allows");
        in_hand.push_back(std::move(*pick));
      } else if (!adding && in_hand.empty()) {
        break;
      }
    } else if (!in_hand.empty()) {
      std::swap(in_hand[random() % in_hand.size()], in_hand.back());
      Scheduler::Pick ended = std::move(in_hand.back());
      in_hand.pop_back();
      --count[ended.destination];
      const unsigned how = random() % 4;
      scheduler.ended(*ended.destination, ended.task.lane,
                      how == 0 ? Ended::kUnreachable : (how == 1 ? Ended::kNotTried : Ended::kAnswered));
      if (how == 1)
        scheduler.put_back(*ended.destination, std::move(ended.task));
      else
        ++done[ended.task.id.value];
    }
  }
  CHECK(scheduler.waiting() == 0);
  CHECK(in_hand.empty());
  CHECK(done.size() == added);
  for (const auto& [id, times] : done) CHECK(times == 1);
}
