// The bound on content in memory: who waits, and that somebody always goes on.
#include "smtpd/receive_budget.h"

#include <array>
#include <catch2/catch.hpp>

using namespace hikyaku::smtpd;

TEST_CASE("within the budget everybody is read") {
  ReceiveBudget budget([] {}, 100, 0);
  int someone = 0;
  budget.receiving(&someone, 60);
  budget.submitted(40);
  CHECK(budget.used() == 100);
  CHECK_FALSE(budget.spent());
  CHECK(budget.may_receive(&someone));
  CHECK(budget.may_receive(&budget));
}

TEST_CASE("when it is spent, those that hold the most go on and the others wait") {
  ReceiveBudget budget([] {}, 100, 0);
  std::array<int, 20> sessions{};
  for (size_t i = 0; i < sessions.size(); ++i) budget.receiving(&sessions[i], 10 + i);
  REQUIRE(budget.spent());
  for (size_t i = 0; i < sessions.size(); ++i)
    CHECK(budget.may_receive(&sessions[i]) == (i >= sessions.size() - ReceiveBudget::kGoOn));
  CHECK_FALSE(budget.may_receive(&budget));
}

TEST_CASE("it is told when memory is free again, once for each time that some of a spent budget goes") {
  int told = 0;
  ReceiveBudget budget([&] { ++told; }, 100, 0);
  int a = 0, b = 0;
  budget.receiving(&a, 50);
  budget.receiving(&a, 0);
  CHECK(told == 0);
  budget.receiving(&a, 80);
  budget.receiving(&b, 80);
  budget.receiving(&b, 90);
  CHECK(told == 0);
  budget.receiving(&a, 0);
  CHECK(told == 1);
  budget.submitted(20);
  CHECK(budget.spent());
  budget.answered(20);
  CHECK(told == 2);
  budget.receiving(&b, 0);
  CHECK(told == 2);
  CHECK(budget.used() == 0);
}

TEST_CASE("sessions that share a spent budget all come to their end") {
  ReceiveBudget budget([] {}, 1000, 0);
  std::array<size_t, 50> held{}, left{};
  left.fill(300);
  size_t rounds = 0;
  for (bool more = true; more; ++rounds) {
    REQUIRE(rounds < 1000);
    more = false;
    for (size_t i = 0; i < held.size(); ++i) {
      if (left[i] == 0) continue;
      more = true;
      if (!budget.may_receive(&held[i])) continue;
      held[i] += 10;
      left[i] -= 10;
      budget.receiving(&held[i], left[i] == 0 ? 0 : held[i]);
      // Each of them can be one read above.
      CHECK(budget.used() <= 1000 + 10 * held.size() + ReceiveBudget::kGoOn * 300);
    }
  }
  CHECK(budget.used() == 0);
}

TEST_CASE("small parts do not wait, even when the budget is spent") {
  ReceiveBudget budget([] {}, 100, 10);
  std::array<int, 20> large{};
  int small = 0, smallest = 0;
  for (int& session : large) budget.receiving(&session, 20);
  budget.receiving(&small, 9);
  CHECK(budget.may_receive(&small));
  CHECK(budget.may_receive(&smallest));
  budget.receiving(&small, 10);
  CHECK_FALSE(budget.may_receive(&small));
}
