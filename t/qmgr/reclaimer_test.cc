// Emptying segments: living messages are found and asked for in bounded batches; what cannot be moved keeps its
// segment.
#include "qmgr/reclaimer.h"

#include <poll.h>
#include <sys/mman.h>
#include <catch2/catch.hpp>

#include <algorithm>

#include "t/qmgr/small_queue.h"

using namespace hikyaku;
using namespace hikyaku::qmgr;

namespace {

constexpr uint64_t kSegment = 16 << 10;

struct Fixture {
  Fixture() {
    // Five to a segment, of which one waits.
    for (int i = 0; i < 60; ++i) {
      Message& message = queue.add(envelope(), 3000);
      if (i % 5 == 2) {
        queue.ledger().deferred(message, 0, 1, kArrival + 1000);
        queue.ledger().rest(message);
        waiting.push_back(message.id);
      } else {
        queue.ledger().complete(message);
      }
    }
    queue.settle_index();
    queue.ledger().followed(queue.position());
    REQUIRE(queue.ledger().sync());
  }
  // cleanup's part. False: nothing was asked.
  bool answer(bool stored = true) {
    if (!asked) return false;
    const ipc::MoveRecords batch = *std::exchange(asked, {});
    most_records = std::max(most_records, batch.records.size());
    ipc::RecordsMoved moved{batch.batch, stored, {}};
    for (const ipc::RecordToMove& record : batch.records) {
      if (!stored) continue;
      if (record.id == damaged)
        moved.damaged.push_back(record.id);
      else
        queue.copy(record.id, record.place);
    }
    CHECK(queue.follow().empty());
    reclaimer.answered(&moved, turn);
    return true;
  }
  // So many looks, 200 ms apart, and all that comes of them.
  void run(int looks) {
    for (; looks > 0; --looks) {
      turn += std::chrono::milliseconds(200);
      reclaimer.look(turn);
      while (reclaimer.work(queue.position(), turn) || answer()) continue;
      queue.ledger().followed(queue.position());
      REQUIRE(queue.ledger().sync());
      queue.ledger().hand_over();
      for (const uint32_t segment : queue.ledger().freeable_segments()) {
        REQUIRE(queue.writer().free_segment(segment));
        freed.push_back(segment);
      }
      REQUIRE(queue.ledger().index_progress());
    }
  }
  void run_until(const std::function<bool()>& done) {
    for (int tries = 0; tries < 1000 && !done(); ++tries) {
      run(5);
      ::pollfd progress{.fd = queue.ledger().index_fd(), .events = POLLIN, .revents = 0};
      if (!done()) ::poll(&progress, 1, 10);
    }
    CHECK(done());
  }
  uint64_t live_bytes() {
    uint64_t sum = 0;
    for (const auto& use : queue.ledger().use()) sum += use.live_bytes;
    return sum;
  }

  SmallQueue queue;
  std::vector<queue::QueueId> waiting;
  queue::QueueId damaged{};
  std::optional<ipc::MoveRecords> asked;
  bool cleanup_is_there = true;
  size_t most_records = 0;
  std::vector<uint32_t> freed;
  event::Monotonic turn{};
  log::Logger logger{"hikyaku/qmgr", "host", os::UniqueFd(::memfd_create("log", MFD_CLOEXEC))};
  Reclaimer reclaimer{queue.ledger(), queue.disk(), queue.log_folder(), logger, [this](const ipc::MoveRecords& batch) {
                        if (cleanup_is_there) asked = batch;
                        return cleanup_is_there;
                      }};
};

}  // namespace

TEST_CASE("segments with little in them are emptied until the log is small, and every message is still there") {
  Fixture f;
  const size_t segments = f.queue.ledger().use().size();
  REQUIRE(segments >= 12);
  const uint64_t alive = f.live_bytes();
  f.run_until([&] { return f.queue.ledger().use().size() * kSegment <= 2 * alive + 2 * kSegment; });
  CHECK(f.live_bytes() == alive);
  f.queue.cut_power_and_restart();
  for (const queue::QueueId id : f.waiting) {
    const Message* message = f.queue.ledger().load(id);
    REQUIRE(message != nullptr);
    CHECK(message->recipients[0].attempts == 1);
    CHECK(message->recipients[0].recipient.address == "user0@example.net");
  }
  CHECK(f.queue.take_damage() == std::vector<std::string>{});
}

TEST_CASE("a segment with a record that is damaged, or that somebody reads, is kept, and the others go") {
  Fixture f;
  Message* const in_hand = f.queue.ledger().load(f.waiting[1]);
  REQUIRE(in_hand != nullptr);
  in_hand->recipients[0].step = Step::kInHand;
  f.damaged = f.waiting[0];
  const auto damaged_place = f.queue.ledger().look(f.damaged).message->place;
  f.run_until([&] { return f.freed.size() >= 5; });
  const auto is_freed = [&](uint32_t segment) { return std::ranges::find(f.freed, segment) != f.freed.end(); };
  CHECK_FALSE(is_freed(damaged_place.segment));
  CHECK_FALSE(is_freed(in_hand->place.segment));
  CHECK(f.queue.ledger().look(f.damaged).message->place == damaged_place);
}

TEST_CASE("a cleanup that is away, has no room or dies is asked again, later") {
  Fixture f;
  f.cleanup_is_there = false;
  f.run(10);
  f.cleanup_is_there = true;
  // The pause is a second.
  const auto next_batch = [&] {
    for (int looks = 0; looks < 20 && !f.asked; ++looks) {
      f.turn += std::chrono::milliseconds(200);
      f.reclaimer.look(f.turn);
      while (f.reclaimer.work(f.queue.position(), f.turn)) continue;
    }
    return f.asked.has_value();
  };
  REQUIRE(next_batch());
  CHECK(f.answer(false));
  CHECK_FALSE(f.reclaimer.work(f.queue.position(), f.turn));
  REQUIRE(next_batch());
  // It has copied, and nobody heard of it.
  const auto lost = *std::exchange(f.asked, {});
  f.queue.copy(lost.records.front().id, lost.records.front().place);
  f.reclaimer.answered(nullptr, f.turn);
  CHECK(f.queue.follow().empty());
  f.run_until([&] { return f.freed.size() >= 6; });
}

TEST_CASE("a small queue is left alone") {
  Fixture f;
  for (size_t i = 0; i < f.waiting.size(); ++i)
    if (i != 0) f.queue.ledger().complete(*f.queue.ledger().load(f.waiting[i]));
  f.run_until([&] { return f.freed.size() >= 9; });
  f.run(50);
  CHECK(f.most_records == 0);
}
