// Jobs that run beside the loop.
#include "cleanup/flush_thread.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <future>

using namespace hikyaku;
using namespace hikyaku::cleanup;

TEST_CASE("the loop goes on during a job, and is told when it has ended") {
  event::Loop loop;
  std::promise<void> go_on;
  int jobs = 0, ended = 0;
  FlushThread* started = nullptr;
  FlushThread thread(loop, [&] {
    if (++ended == 3) return loop.stop();
    started->start([&] { ++jobs; });
  });
  started = &thread;
  event::Timer meanwhile(loop, [&] {
    CHECK(ended == 0);
    go_on.set_value();
  });
  meanwhile.set({});
  thread.start([&] {
    go_on.get_future().wait();
    ++jobs;
  });
  loop.run();
  CHECK(jobs == 3);
  CHECK(ended == 3);
}

TEST_CASE("whoever waits for a job gets its result, and is not told of it again") {
  event::Loop loop;
  int result = 0, ended = 0;
  FlushThread thread(loop, [&] { ++ended; });
  for (int i = 1; i <= 3; ++i) {
    thread.start([&] { result = i; });
    thread.wait();
    CHECK(result == i);
  }
  thread.wait();  // nothing is under way
  event::Timer later(loop, [&] { loop.stop(); });
  later.set(std::chrono::milliseconds(1));
  loop.run();
  CHECK(ended == 0);
}

TEST_CASE("the job at hand is finished before the thread goes") {
  event::Loop loop;
  std::atomic<bool> done = false;
  {
    FlushThread thread(loop, [] {});
    thread.start([&] { done = true; });
  }
  CHECK(done);
}
