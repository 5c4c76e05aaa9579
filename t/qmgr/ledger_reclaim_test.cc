// Messages whose record was copied to another segment: at each step of it a kill or a power loss leaves one whole
// message, and the old segment goes only when nothing can bring its places back.
#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>

#include "qmgr/ledger.h"
#include "t/qmgr/small_queue.h"

using namespace hikyaku;
using namespace hikyaku::qmgr;

namespace {

// Where the message lives: at rest, in memory and known to the index, or in memory alone.
enum class Life { kResting, kTaken, kFresh };

struct Fixture {
  explicit Fixture(Life life) {
    Message& message = queue.add(envelope(2), 500);
    id = message.id;
    old = message.place;
    for (uint32_t i = 0; i < 2; ++i) queue.ledger().deferred(message, i, 3, kArrival + 1000);
    if (life != Life::kFresh) {
      queue.ledger().rest(message);
      queue.settle_index();
      REQUIRE(queue.ledger().find(id) == nullptr);
      if (life == Life::kTaken) REQUIRE(queue.ledger().load(id) != nullptr);
    }
    while (queue.writer().durable_end().segment == old.segment) queue.ledger().complete(queue.add(envelope(), 3000));
    REQUIRE(queue.ledger().sync());
    CHECK_FALSE(is_freeable());
  }
  void copy_and_follow() {
    place = queue.copy(id, old);
    CHECK(queue.follow().empty());
  }
  bool is_freeable() {
    for (const uint32_t segment : queue.ledger().freeable_segments()) freed.push_back(segment);
    return std::ranges::find(freed, old.segment) != freed.end();
  }
  // As qmgr goes on.
  void make_freeable() {
    for (int tries = 0; tries < 100; ++tries) {
      REQUIRE(queue.ledger().sync());
      queue.ledger().hand_over();
      if (is_freeable()) return;
      queue.wait_for_index();
    }
    FAIL("the segment is never left");
  }
  void check_message() {
    const Message* message = queue.ledger().load(id);
    REQUIRE(message != nullptr);
    CHECK(message->recipients[0].recipient.address == "user0@example.net");
    for (const RecipientState& recipient : message->recipients) {
      CHECK(recipient.attempts == 3);
      CHECK(recipient.next_attempt == kArrival + 1000);
    }
    const auto file = queue.reader().open_segment(message->place.segment);
    REQUIRE(file);
    const auto record = queue::read_record(file->get(), id, message->place);
    REQUIRE(record);
    CHECK(record->content == std::string(500, 'x'));
    CHECK(queue.take_damage() == std::vector<std::string>{});
    CHECK(queue.ledger().take_damage() == std::vector<std::string>{});
  }

  SmallQueue queue;
  queue::QueueId id;
  queue::Place old, place;
  std::vector<uint32_t> freed;
};

uint64_t live_bytes(SmallQueue& queue, uint32_t segment) {
  for (const Ledger::SegmentUse& use : queue.ledger().use())
    if (use.number == segment) return use.live_bytes;
  return 0;
}

}  // namespace

TEST_CASE("a message that was copied stands in the new segment, and the old one can go") {
  const Life life = GENERATE(Life::kResting, Life::kTaken, Life::kFresh);
  CAPTURE(static_cast<int>(life));
  Fixture f(life);
  const uint64_t bytes = queue::record_size(f.old);
  CHECK(f.queue.ledger().may_move(f.id, f.old));
  CHECK(live_bytes(f.queue, f.old.segment) == bytes);
  f.copy_and_follow();
  CHECK(live_bytes(f.queue, f.old.segment) == 0);
  CHECK(live_bytes(f.queue, f.place.segment) == bytes);
  CHECK_FALSE(f.queue.ledger().may_move(f.id, f.old));
  CHECK(f.queue.ledger().may_move(f.id, f.place));
  f.make_freeable();
  REQUIRE(f.queue.writer().free_segment(f.old.segment));
  f.check_message();
  CHECK(f.queue.ledger().load(f.id)->place.segment == f.place.segment);
  // And its end is the end of what stands there.
  f.queue.ledger().complete(*f.queue.ledger().find(f.id));
  CHECK(live_bytes(f.queue, f.place.segment) == 0);
}

TEST_CASE("a kill or a power loss at any step of a move loses nothing, and the move can be made again") {
  const Life life = GENERATE(Life::kResting, Life::kTaken, Life::kFresh);
  const int step = GENERATE(0, 1, 2, 3, 4);
  const bool power = GENERATE(false, true);
  CAPTURE(static_cast<int>(life), step, power);
  Fixture f(life);
  if (step == 0) f.place = f.queue.copy(f.id, f.old);
  if (step >= 1) f.copy_and_follow();
  if (step == 2) REQUIRE(f.queue.ledger().write());
  if (step >= 3) REQUIRE(f.queue.ledger().sync());
  if (step == 3) f.queue.ledger().hand_over();
  if (step == 4) {
    f.make_freeable();
    REQUIRE(f.queue.writer().free_segment(f.old.segment));
  }
  power ? f.queue.cut_power_and_restart() : f.queue.restart();
  f.freed.clear();
  const Message* const known = f.queue.ledger().find(f.id);
  if (life == Life::kResting) CHECK(known == nullptr);
  if (step < 4 && !f.is_freeable()) {
    const auto there = f.queue.ledger().look(f.id).message;
    REQUIRE(there);
    if (there->place == f.old) f.copy_and_follow();
    f.make_freeable();
    REQUIRE(f.queue.writer().free_segment(f.old.segment));
  }
  f.check_message();
  f.queue.cut_power_and_restart();
  f.check_message();
  f.queue.ledger().complete(*f.queue.ledger().find(f.id));
  REQUIRE(f.queue.ledger().sync());
  f.queue.cut_power_and_restart();
  CHECK(f.queue.ledger().load(f.id) == nullptr);
}

TEST_CASE("a new journal file knows a place that the index does not have for good yet") {
  Fixture f(Life::kResting);
  f.copy_and_follow();
  REQUIRE(f.queue.ledger().write());
  // The next sync begins a new file.
  Message& other = f.queue.add(envelope());
  f.queue.disk().fail(0);
  f.queue.ledger().complete(other);
  CHECK_FALSE(f.queue.ledger().write());
  while (!f.queue.ledger().sync()) f.queue.wait_for_index();  // first the index has for good what left memory
  f.queue.cut_power_and_restart();
  const auto there = f.queue.ledger().look(f.id).message;
  REQUIRE(there);
  CHECK(there->place.segment == f.place.segment);
  f.make_freeable();
  REQUIRE(f.queue.writer().free_segment(f.old.segment));
  f.check_message();
}

TEST_CASE("a message that is in somebody's hand stays where it is read, and the copy is void") {
  Fixture f(Life::kTaken);
  f.queue.ledger().find(f.id)->recipients[1].step = Step::kInHand;
  CHECK_FALSE(f.queue.ledger().may_move(f.id, f.old));
  f.copy_and_follow();
  CHECK(f.queue.ledger().find(f.id)->place == f.old);
  CHECK(live_bytes(f.queue, f.old.segment) == queue::record_size(f.old));
  REQUIRE(f.queue.ledger().sync());
  CHECK_FALSE(f.is_freeable());
  // The void copy keeps no segment.
  const uint32_t copied_to = f.queue.writer().durable_end().segment;
  while (f.queue.writer().durable_end().segment == copied_to) f.queue.ledger().complete(f.queue.add(envelope(), 3000));
  REQUIRE(f.queue.ledger().sync());
  (void)f.is_freeable();
  CHECK(std::ranges::find(f.freed, f.place.segment) != f.freed.end());
}

TEST_CASE("a copy of a message that has ended is not a message, now or after a restart") {
  Fixture f(Life::kTaken);
  f.place = f.queue.copy(f.id, f.old);
  f.queue.ledger().complete(*f.queue.ledger().find(f.id));
  REQUIRE(f.queue.ledger().sync());
  SECTION("now") { CHECK(f.queue.follow().empty()); }
  SECTION("after a restart") { f.queue.restart(); }
  CHECK(f.queue.ledger().find(f.id) == nullptr);
  CHECK(f.queue.ledger().load(f.id) == nullptr);
  CHECK(live_bytes(f.queue, f.place.segment) == 0);
}

TEST_CASE("an older copy that comes late moves nothing back") {
  Fixture f(Life::kResting);
  f.copy_and_follow();
  const queue::Place first = f.place;
  f.old = first;
  f.copy_and_follow();
  REQUIRE(f.queue.ledger().arrive(f.id, first, envelope(2)) == nullptr);
  CHECK(f.queue.ledger().look(f.id).message->place.offset == f.place.offset);
}

TEST_CASE("when the journal is gone, a copy is all that tells of a message, and is taken for it") {
  Fixture f(Life::kFresh);
  f.copy_and_follow();
  f.make_freeable();
  REQUIRE(f.queue.writer().free_segment(f.old.segment));
  for (const auto& file : std::filesystem::directory_iterator(f.queue.journal_folder()))
    std::filesystem::remove(file.path());
  f.queue.restart();
  REQUIRE(f.queue.ledger().find(f.id) != nullptr);
  CHECK(f.queue.ledger().find(f.id)->place.segment == f.place.segment);
}
