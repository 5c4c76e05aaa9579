// Whom qmgr waits for, and when the operator hears of it.
#include "qmgr/roll_call.h"

#include <catch2/catch.hpp>

using namespace hikyaku;
using namespace hikyaku::qmgr;
using namespace std::chrono_literals;
using Hand = RollCall::Hand;

namespace {

const ipc::ProcessName kOne{1, 100}, kTwo{2, 200};
const RollCall::Monotonic kStart{};

}  // namespace

TEST_CASE("the roll is complete when each worker of before has come or is dead") {
  RollCall roll;
  CHECK(roll.complete());
  roll.await(kOne, Hand::kUnknown, kStart);
  roll.await(kTwo, Hand::kUnknown, kStart);
  roll.settled(kOne);
  CHECK_FALSE(roll.complete());
  CHECK(roll.awaited() == std::vector<ipc::ProcessName>{kTwo});
  roll.settled(kTwo);
  roll.settled(kTwo);
  CHECK(roll.complete());
  CHECK(roll.empty());
}

TEST_CASE("one whose work is known is awaited and holds up nobody else") {
  RollCall roll;
  roll.await(kOne, Hand::kKnown, kStart);
  CHECK(roll.complete());
  CHECK_FALSE(roll.empty());
}

TEST_CASE("no time ends the waiting; the operator is told after ten seconds and then each minute") {
  RollCall roll;
  roll.await(kOne, Hand::kUnknown, kStart);
  roll.await(kTwo, Hand::kUnknown, kStart + 5s);
  CHECK(roll.late(kStart + 9s).empty());
  CHECK(roll.late(kStart + 10s) == std::vector<ipc::ProcessName>{kOne});
  CHECK(roll.late(kStart + 11s).empty());
  CHECK(roll.late(kStart + 15s) == std::vector<ipc::ProcessName>{kTwo});
  CHECK(roll.late(kStart + 69s).empty());
  CHECK(roll.late(kStart + 70s) == std::vector<ipc::ProcessName>{kOne});
  CHECK(roll.late(kStart + 24h).size() == 2);
  CHECK_FALSE(roll.complete());
}
