// When a group goes to the disk, and when it waits for those who are expected.
#include "cleanup/commit_policy.h"

#include <catch2/catch.hpp>
#include <vector>

using namespace hikyaku::cleanup;
using namespace std::chrono_literals;

namespace {

using Act = CommitPolicy::Act;
using Duration = CommitPolicy::Duration;

constexpr CommitPolicy::Monotonic kStart{1000s};

GroupSize messages(size_t count) { return {count, 0, count * 4096}; }

// A policy for a disk that has always taken `took`, whose last flush, of `last` messages, ended at kStart.
CommitPolicy used_to(Duration took, size_t last, size_t waiting = 0) {
  CommitPolicy policy;
  for (int i = 0; i < 50; ++i) policy.flushed(messages(1), took, 0, kStart - 1s);
  policy.flushed(messages(last), took, waiting, kStart);
  return policy;
}

bool in_thread(const CommitPolicy& policy) { return policy.decide(messages(1000), kStart).act == Act::kInThread; }

}  // namespace

TEST_CASE("the first message is flushed at once, in line") {
  CHECK(CommitPolicy().decide(messages(1), kStart) == CommitPolicy::Verdict{Act::kInLine, {}});
}

TEST_CASE("short flushes are made in line, and nobody is waited for") {
  for (const Duration took : {20us, 300us, 900us, 1400us}) {
    CAPTURE(took.count());
    const CommitPolicy policy = used_to(took, 20, 20);
    CHECK(policy.decide(messages(1), kStart) == CommitPolicy::Verdict{Act::kInLine, {}});
  }
}

TEST_CASE("long flushes are made in a thread") {
  for (const Duration took : {1600us, 5000us, 800'000us}) {
    CAPTURE(took.count());
    CHECK(in_thread(used_to(took, 1)));
  }
}

TEST_CASE("a slow disk is noticed within a few flushes, hiccups do not make a slow disk") {
  CommitPolicy policy;
  for (int i = 0; i < 8; ++i) policy.flushed(messages(1), 5ms, 0, kStart);
  CHECK(in_thread(policy));
  policy = used_to(400us, 1);
  for (int i = 0; i < 100; ++i) {
    policy.flushed(messages(1), i % 4 == 0 ? 2s : 400us, 0, kStart);
    REQUIRE_FALSE(in_thread(policy));
  }
}

TEST_CASE("between short and long the verdict stays as it was") {
  CommitPolicy policy = used_to(1250us, 1);
  CHECK_FALSE(in_thread(policy));
  for (int i = 0; i < 5; ++i) policy.flushed(messages(1), 5ms, 0, kStart);
  CHECK(in_thread(policy));
  for (int i = 0; i < 50; ++i) policy.flushed(messages(1), 1250us, 0, kStart);
  CHECK(in_thread(policy));
  for (int i = 0; i < 50; ++i) policy.flushed(messages(1), 500us, 0, kStart);
  CHECK_FALSE(in_thread(policy));
}

TEST_CASE("after a long flush those are expected that it answered and those that had come, up to 2 ms") {
  struct Row {
    Duration took;
    size_t last, waiting;  // of the flush before
    size_t now;            // in the group
    Duration since;        // the flush ended
    Duration wait;         // 0: it goes at once
  };
  const std::vector<Row> rows{
      {5ms, 1, 0, 1, 0us, 0us},     // one client alone never waits
      {5ms, 20, 0, 19, 0us, 2ms},   // one is missing
      {5ms, 20, 0, 20, 0us, 0us},   // all are there
      {5ms, 10, 10, 10, 0us, 2ms},  // as many as in the last group would be half of them
      {5ms, 10, 10, 19, 1500us, 500us}, {5ms, 10, 10, 20, 1500us, 0us},
      {5ms, 10, 10, 10, 2ms, 0us},      // they do not come
      {5ms, 10, 10, 25, 100us, 0us},    // more than expected
      {5ms, 200, 0, 1, 1s, 0us},        // long after the others have gone
      {1700us, 20, 0, 1, 0us, 1700us},  // no longer than a flush takes
  };
  for (const Row& row : rows) {
    CAPTURE(row.took.count(), row.last, row.waiting, row.now, row.since.count());
    const auto verdict = used_to(row.took, row.last, row.waiting).decide(messages(row.now), kStart + row.since);
    CHECK(verdict.act == (row.wait > 0us ? Act::kWait : Act::kInThread));
    CHECK(verdict.wait == row.wait);
  }
}

TEST_CASE("a group that is large enough waits for nobody") {
  const CommitPolicy policy = used_to(5ms, 200);
  CHECK(policy.decide({2, 0, kMostGroupBytes - 1}, kStart).act == Act::kWait);
  CHECK(policy.decide({2, 0, kMostGroupBytes}, kStart).act == Act::kInThread);
}

TEST_CASE("files of big messages are always flushed in a thread, and make no disk slow for small ones") {
  CommitPolicy policy = used_to(300us, 1);
  CHECK(policy.decide({2, 1, 8192}, kStart).act == Act::kInThread);
  for (int i = 0; i < 50; ++i) policy.flushed({1, 1, 4096}, 50ms, 0, kStart);
  CHECK(policy.decide(messages(1), kStart).act == Act::kInLine);
}
