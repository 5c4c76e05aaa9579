// What becomes of a service process, for every state and event.
#include "master/supervisor.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace hikyaku::master;
using namespace std::chrono_literals;

namespace {

constexpr Monotonic kNow{1h};

struct Row {
  State from;
  Event event;
  State to;
  Action action;
};

// Brings a new supervisor into a state by the shortest way.
Supervisor in_state(State state) {
  Supervisor supervisor;
  const auto feed = [&](std::vector<Event> events) {
    for (const Event event : events) supervisor.handle(event, kNow);
  };
  switch (state) {
    case State::kDown:
      break;
    case State::kStarting:
      feed({Event::kStart});
      break;
    case State::kRunning:
      feed({Event::kStart, Event::kReady});
      break;
    case State::kWaiting:
      feed({Event::kStart, Event::kExited});
      break;
    case State::kDraining:
      feed({Event::kStart, Event::kReady, Event::kDrain});
      break;
  }
  REQUIRE(supervisor.state() == state);
  return supervisor;
}

const std::vector<Row> kRows = {
    {State::kDown, Event::kStart, State::kStarting, Action::kSpawn},
    {State::kDown, Event::kReady, State::kDown, Action::kNone},
    {State::kDown, Event::kExited, State::kDown, Action::kNone},
    {State::kDown, Event::kPauseOver, State::kDown, Action::kNone},
    {State::kDown, Event::kHung, State::kDown, Action::kNone},
    {State::kDown, Event::kDrain, State::kDown, Action::kForget},
    {State::kDown, Event::kKill, State::kDown, Action::kForget},

    {State::kStarting, Event::kStart, State::kStarting, Action::kNone},
    {State::kStarting, Event::kReady, State::kRunning, Action::kNone},
    {State::kStarting, Event::kExited, State::kWaiting, Action::kRestartLater},
    {State::kStarting, Event::kPauseOver, State::kStarting, Action::kNone},
    {State::kStarting, Event::kHung, State::kStarting, Action::kKill},
    {State::kStarting, Event::kDrain, State::kDraining, Action::kSendDrain},
    {State::kStarting, Event::kKill, State::kDraining, Action::kKill},

    {State::kRunning, Event::kStart, State::kRunning, Action::kNone},
    {State::kRunning, Event::kReady, State::kRunning, Action::kNone},
    {State::kRunning, Event::kExited, State::kWaiting, Action::kRestartLater},
    {State::kRunning, Event::kPauseOver, State::kRunning, Action::kNone},
    {State::kRunning, Event::kHung, State::kRunning, Action::kKill},
    {State::kRunning, Event::kDrain, State::kDraining, Action::kSendDrain},
    {State::kRunning, Event::kKill, State::kDraining, Action::kKill},

    {State::kWaiting, Event::kStart, State::kWaiting, Action::kNone},
    {State::kWaiting, Event::kReady, State::kWaiting, Action::kNone},
    {State::kWaiting, Event::kExited, State::kWaiting, Action::kNone},
    {State::kWaiting, Event::kPauseOver, State::kStarting, Action::kSpawn},
    {State::kWaiting, Event::kHung, State::kWaiting, Action::kNone},
    {State::kWaiting, Event::kDrain, State::kDown, Action::kForget},
    {State::kWaiting, Event::kKill, State::kDown, Action::kForget},

    {State::kDraining, Event::kStart, State::kDraining, Action::kNone},
    {State::kDraining, Event::kReady, State::kDraining, Action::kNone},
    {State::kDraining, Event::kExited, State::kDown, Action::kForget},
    {State::kDraining, Event::kPauseOver, State::kDraining, Action::kNone},
    {State::kDraining, Event::kHung, State::kDraining, Action::kKill},
    {State::kDraining, Event::kDrain, State::kDraining, Action::kSendDrain},
    {State::kDraining, Event::kKill, State::kDraining, Action::kKill},
};

}  // namespace

TEST_CASE("every event has one outcome in every state") {
  REQUIRE(kRows.size() == static_cast<size_t>(kStates * kEvents));
  for (const Row& row : kRows) {
    Supervisor supervisor = in_state(row.from);
    const Step step = supervisor.handle(row.event, kNow);
    INFO(name_of(row.from) << ", event " << static_cast<int>(row.event));
    CHECK(supervisor.state() == row.to);
    CHECK(step.action == row.action);
  }
}

TEST_CASE("a process that dies again and again comes back ever later, up to five seconds") {
  Supervisor supervisor;
  supervisor.handle(Event::kStart, kNow);
  std::vector<Pause> pauses;
  for (int i = 0; i < 9; ++i) {
    supervisor.handle(Event::kReady, kNow);
    pauses.push_back(supervisor.handle(Event::kExited, kNow + 1s).pause);
    supervisor.handle(Event::kPauseOver, kNow);
  }
  CHECK(pauses == std::vector<Pause>{0ms, 100ms, 200ms, 400ms, 800ms, 1600ms, 3200ms, 5000ms, 5000ms});
  CHECK(supervisor.restarts() == 9);
}

TEST_CASE("a process that never became ready is slowed down too") {
  Supervisor supervisor;
  supervisor.handle(Event::kStart, kNow);
  CHECK(supervisor.handle(Event::kExited, kNow).pause == 0ms);
  supervisor.handle(Event::kPauseOver, kNow);
  // However long it took to fail: it did not run well.
  CHECK(supervisor.handle(Event::kExited, kNow + 1h).pause == 100ms);
}

TEST_CASE("after a process that ran well the next one comes at once") {
  Supervisor supervisor;
  supervisor.handle(Event::kStart, kNow);
  for (int i = 0; i < 4; ++i) {
    supervisor.handle(Event::kExited, kNow);
    supervisor.handle(Event::kPauseOver, kNow);
  }
  supervisor.handle(Event::kReady, kNow);
  SECTION("just short of it") { CHECK(supervisor.handle(Event::kExited, kNow + kRanWell - 1ms).pause == 800ms); }
  SECTION("long enough") {
    CHECK(supervisor.handle(Event::kExited, kNow + kRanWell).pause == 0ms);
    supervisor.handle(Event::kPauseOver, kNow);
    CHECK(supervisor.handle(Event::kExited, kNow).pause == 100ms);
  }
}

TEST_CASE("a reload does not make a process younger") {
  Supervisor supervisor;
  supervisor.handle(Event::kStart, kNow);
  supervisor.handle(Event::kExited, kNow);
  supervisor.handle(Event::kPauseOver, kNow);
  supervisor.handle(Event::kReady, kNow);
  supervisor.handle(Event::kReady, kNow + kRanWell - 1ms);
  CHECK(supervisor.handle(Event::kExited, kNow + kRanWell).pause == 0ms);
}

TEST_CASE("ending because it was told to is no restart") {
  Supervisor supervisor = in_state(State::kDraining);
  supervisor.handle(Event::kExited, kNow);
  CHECK(supervisor.restarts() == 0);
}
