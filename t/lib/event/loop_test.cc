// Turns, hooks at their end, and what may be destroyed inside a callback. The loop is the real one.
#include "event/loop.h"

#include <signal.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <memory>
#include <optional>
#include <string>
#include <thread>

using namespace hikyaku::event;
using namespace std::chrono_literals;

namespace {

struct Pipe {
  Pipe() { REQUIRE(::pipe(ends) == 0); }
  ~Pipe() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
  void write() { REQUIRE(::write(ends[1], "x", 1) == 1); }
  void read() {
    char c = 0;
    REQUIRE(::read(ends[0], &c, 1) == 1);
  }
  int ends[2] = {-1, -1};
};

// Runs until `done`, or to a bound that no test reaches.
void run(Loop& loop, Duration bound = 2s) {
  Timer guard(loop, [&] {
    loop.stop();
    FAIL_CHECK("nothing happened");
  });
  guard.set(bound);
  loop.run();
}

}  // namespace

TEST_CASE("work put off to the end of a turn runs once for all that asked for it") {
  Loop loop;
  std::string order;
  TurnEnd end(loop, [&] { order += 'e'; });
  Timer first(loop, [&] {
    order += '1';
    end.schedule();
    end.schedule();
  });
  Timer last(loop, [&] {
    order += '2';
    end.schedule();
    loop.stop();
  });
  first.set({});
  last.set({});
  run(loop);
  CHECK((order == "12e" || order == "1e2e"));
}

TEST_CASE("a hook may schedule others and itself: they run in the same turn, before the work after every turn") {
  Loop loop;
  std::string order;
  int left = 3;
  std::optional<TurnEnd> second;
  TurnEnd first(loop, [&] {
    order += 'a';
    second->schedule();
    if (--left > 0) first.schedule();
  });
  second.emplace(loop, [&] { order += 'b'; });
  loop.after_every_turn([&] { order += '.'; });
  Timer start(loop, [&] {
    first.schedule();
    loop.stop();
  });
  start.set({});
  run(loop);
  CHECK(order == ".ababab.");  // the first dot: what was scheduled before the loop ran has its own end of turn
}

TEST_CASE("work scheduled before the loop runs is done although no event comes") {
  Loop loop;
  bool done = false;
  TurnEnd hook(loop, [&] {
    done = true;
    loop.stop();
  });
  hook.schedule();
  run(loop);
  CHECK(done);
}

TEST_CASE("a hook that is destroyed does not run, not even when it was scheduled") {
  Loop loop;
  auto victim = std::make_unique<TurnEnd>(loop, [] { FAIL_CHECK("it ran"); });
  bool after = false;
  TurnEnd killer(loop, [&] { victim.reset(); });
  TurnEnd last(loop, [&] { after = true; });
  Timer start(loop, [&] {
    killer.schedule();
    victim->schedule();
    last.schedule();
    loop.stop();
  });
  start.set({});
  run(loop);
  CHECK(after);
}

TEST_CASE("hook, watch, timer, deadline and signal may be destroyed inside their own callback") {
  Loop loop;
  Pipe pipe;
  pipe.write();
  int calls = 0;
  const auto called = [&] {
    if (++calls == 5) loop.stop();
  };
  std::unique_ptr<TurnEnd> hook;
  hook = std::make_unique<TurnEnd>(loop, [&] {
    called();
    hook.reset();  // the last thing: what the callback captured goes with it
  });
  hook->schedule();
  std::unique_ptr<Watch> watch;
  watch = std::make_unique<Watch>(loop, pipe.ends[0], Watch::Interest::kRead, [&] {
    called();
    watch.reset();  // the last thing: what the callback captured goes with it
  });
  watch->enable();
  std::unique_ptr<Timer> timer;
  timer = std::make_unique<Timer>(loop, [&] {
    called();
    timer.reset();  // the last thing: what the callback captured goes with it
  });
  timer->set(1ms);
  std::unique_ptr<Deadline> deadline;
  deadline = std::make_unique<Deadline>(loop, [&] {
    called();
    deadline.reset();  // the last thing: what the callback captured goes with it
  });
  deadline->set(1ms);
  std::unique_ptr<Signal> signal;
  signal = std::make_unique<Signal>(loop, SIGUSR1, [&] {
    called();
    signal.reset();  // the last thing: what the callback captured goes with it
  });
  ::raise(SIGUSR1);
  run(loop);
  CHECK(calls == 5);
  CHECK_FALSE((hook || watch || timer || deadline || signal));
}

TEST_CASE("a watch destroyed by another one's callback is not called, although it is ready") {
  Loop loop;
  Pipe one, two;
  one.write();
  two.write();
  int calls = 0;
  std::unique_ptr<Watch> a, b;
  a = std::make_unique<Watch>(loop, one.ends[0], Watch::Interest::kRead, [&] {
    ++calls;
    b.reset();
    one.read();
  });
  b = std::make_unique<Watch>(loop, two.ends[0], Watch::Interest::kRead, [&] {
    ++calls;
    a.reset();
    two.read();
  });
  a->enable();
  b->enable();
  Timer end(loop, [&] { loop.stop(); });
  end.set(3ms);
  run(loop);
  CHECK(calls == 1);
}

TEST_CASE("a watch calls as long as there is something to read, and only while it is enabled") {
  Loop loop;
  Pipe pipe;
  pipe.write();
  int calls = 0;
  std::optional<Watch> watch;
  watch.emplace(loop, pipe.ends[0], Watch::Interest::kRead, [&] {
    if (++calls < 3) return;  // nothing was read: it is level-triggered
    watch->disable();
    watch->disable();
  });
  CHECK_FALSE(watch->enabled());
  watch->enable();
  watch->enable();
  Timer end(loop, [&] { loop.stop(); });
  end.set(3ms);
  run(loop);
  CHECK(calls == 3);
  CHECK_FALSE(watch->enabled());
}

TEST_CASE("a timer runs once, can be moved, and not when it was cancelled") {
  Loop loop;
  int calls = 0;
  Timer moved(loop, [&] { ++calls; });
  Timer cancelled(loop, [] { FAIL_CHECK("it ran"); });
  moved.set(500ms);
  moved.set(1ms);
  cancelled.set(1ms);
  CHECK(cancelled.armed());
  cancelled.cancel();
  CHECK_FALSE(cancelled.armed());
  Timer end(loop, [&] { loop.stop(); });
  end.set(4ms);
  run(loop);
  CHECK(calls == 1);
  CHECK_FALSE(moved.armed());
}

TEST_CASE("now() is when the turn's events came, not when the wait for them began") {
  Loop loop;
  const auto begun = std::chrono::steady_clock::now();
  Monotonic first, later;
  Timer timer(loop, [&] {
    first = loop.now();
    std::this_thread::sleep_for(1ms);
    later = loop.now();
    loop.stop();
  });
  timer.set(5ms);
  run(loop);
  CHECK(first - begun >= 4ms);
  CHECK(first == later);  // one time for the whole turn
}

TEST_CASE("a deadline that is moved on does not run at its earlier time") {
  Loop loop;
  Monotonic ran{};
  const auto begun = std::chrono::steady_clock::now();
  Deadline deadline(loop, [&] {
    ran = std::chrono::steady_clock::now();
    loop.stop();
  });
  deadline.set(2ms);
  Timer move(loop, [&] { deadline.set(6ms); });
  move.set(1ms);
  run(loop);
  CHECK(ran - begun >= 6ms);
}

TEST_CASE("a deadline counts from the turn in which it is set, however long the loop waited before") {
  Loop loop;
  Monotonic set{}, ran{};
  Deadline deadline(loop, [&] {
    ran = std::chrono::steady_clock::now();
    loop.stop();
  });
  deadline.set(8ms);
  Timer move(loop, [&] {
    set = std::chrono::steady_clock::now();
    deadline.set(8ms);
  });
  move.set(5ms);  // nothing else happens in between
  run(loop);
  CHECK(ran - set >= 7500us);
}

TEST_CASE("a deadline can be brought forward, cancelled and set again") {
  Loop loop;
  int calls = 0;
  Deadline deadline(loop, [&] { ++calls; });
  deadline.set(1s);
  deadline.set(1ms);
  Deadline never(loop, [] { FAIL_CHECK("it ran"); });
  never.set(1ms);
  never.cancel();
  Deadline again(loop, [&] {
    ++calls;
    loop.stop();
  });
  again.set(1ms);
  again.cancel();
  again.set(4ms);
  run(loop);
  CHECK(calls == 2);
}

TEST_CASE("a signal is told in the loop") {
  Loop loop;
  bool caught = false;
  Signal signal(loop, SIGUSR2, [&] {
    caught = true;
    loop.stop();
  });
  ::raise(SIGUSR2);
  CHECK_FALSE(caught);
  run(loop);
  CHECK(caught);
}

TEST_CASE("a loop that was stopped can run again") {
  Loop loop;
  int calls = 0;
  Timer timer(loop, [&] {
    ++calls;
    loop.stop();
  });
  timer.set({});
  run(loop);
  timer.set({});
  run(loop);
  CHECK(calls == 2);
}
