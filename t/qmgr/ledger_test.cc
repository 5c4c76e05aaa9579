// The ledger: what a restart finds again, after a kill and after a power loss, and when a segment may go.
#include "qmgr/ledger.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "queue/body_format.h"
#include "t/qmgr/small_queue.h"

using namespace hikyaku;
using namespace hikyaku::qmgr;

namespace {

Step step(SmallQueue& queue, queue::QueueId id, uint32_t index = 0) {
  const Message* message = queue.ledger().find(id);
  REQUIRE(message != nullptr);
  return message->recipients.at(index).step;
}

}  // namespace

TEST_CASE("a message of the log is found again after a restart, although the journal never heard of it") {
  SmallQueue queue;
  queue::Envelope what = envelope(2);
  what.recipients[1].notify = queue::kNotifyNever;
  what.envelope_id = "envid";
  const queue::QueueId id = queue.add(what).id;
  queue.cut_power_and_restart();
  const Message* message = queue.ledger().find(id);
  REQUIRE(message != nullptr);
  CHECK(message->sender == "sender@example.com");
  CHECK(message->envelope_id == "envid");
  CHECK(message->arrival == kArrival * 1'000'000);
  REQUIRE(message->recipients.size() == 2);
  CHECK(message->recipients[1].recipient == what.recipients[1]);
  CHECK(message->count(Step::kReady) == 2);
  CHECK(message->size() == 100);
}

TEST_CASE("an entry that is told twice is one message, and a completed one does not come back") {
  SmallQueue queue;
  Message& message = queue.add(envelope());
  const queue::QueueId id = message.id;
  const queue::Place place = message.place;
  CHECK(queue.ledger().arrive(id, place, envelope()) == nullptr);
  CHECK(queue.ledger().messages().size() == 1);
  queue.ledger().complete(message);
  CHECK(queue.ledger().find(id) == nullptr);
  REQUIRE(queue.ledger().write());
  queue.restart();  // a kill loses nothing that was written
  CHECK(queue.ledger().find(id) == nullptr);
  queue.restart();
  CHECK(queue.ledger().messages().empty());
}

TEST_CASE("what became of each recipient is known after a kill; what was in somebody's hand is ready again") {
  SmallQueue queue;
  Message& message = queue.add(envelope(7));
  const queue::QueueId id = message.id;
  Ledger& ledger = queue.ledger();
  ledger.delivered(message, 0);
  message.recipients[1].status = "4.2.0";
  message.recipients[1].reply = "450 later";
  ledger.deferred(message, 1, 3, kArrival + 1000);
  message.recipients[2].status = "5.1.1";
  message.recipients[2].reply = "550 unknown";
  ledger.failed(message, 2, false);
  ledger.failed(message, 3, true);
  ledger.failed(message, 4, false);
  CHECK(ledger.reported(message, {4, 70}));
  CHECK_FALSE(ledger.reported(message, {4}));
  message.recipients[5].step = Step::kInHand;
  ledger.failed(message, 6, false);
  message.recipients[6].step = Step::kReporting;
  REQUIRE(ledger.write());
  // Once from the journal's records, once more from the snapshot that the restart wrote.
  for (int round = 0; round < 2; ++round) {
    CAPTURE(round);
    queue.restart();
    const std::vector<Step> expected{Step::kDone, Step::kWaiting, Step::kReportDue, Step::kReportDue,
                                     Step::kDone, Step::kReady,   Step::kReportDue};
    for (uint32_t i = 0; i < expected.size(); ++i) CHECK(step(queue, id, i) == expected[i]);
    const auto& recipients = queue.ledger().find(id)->recipients;
    CHECK(recipients[1].attempts == 3);
    CHECK(recipients[1].next_attempt == kArrival + 1000);
    CHECK(recipients[1].status == "4.2.0");
    CHECK(recipients[1].reply == "450 later");
    CHECK_FALSE(recipients[2].expired);
    CHECK(recipients[2].status == "5.1.1");
    CHECK(recipients[2].reply == "550 unknown");
    CHECK(recipients[3].expired);
  }
}

TEST_CASE("a retry that is on its way keeps its number of attempts in a snapshot") {
  SmallQueue queue;
  Message& message = queue.add(envelope(2));
  const queue::QueueId id = message.id;
  for (uint32_t i = 0; i < 2; ++i) queue.ledger().deferred(message, i, 5, kArrival + 10);
  REQUIRE(queue.ledger().write());
  queue.restart();
  queue.ledger().find(id)->recipients[0].step = Step::kReady;
  queue.ledger().find(id)->recipients[1].step = Step::kInHand;
  queue.disk().fail(0);  // the journal's end is unknown: the next sync begins a new file
  queue.ledger().hold(*queue.ledger().find(id), true);
  CHECK_FALSE(queue.ledger().write().has_value());
  REQUIRE(queue.ledger().sync());
  queue.restart();
  for (uint32_t i = 0; i < 2; ++i) {
    CHECK(step(queue, id, i) == Step::kWaiting);
    CHECK(queue.ledger().find(id)->recipients[i].attempts == 5);
  }
  CHECK(queue.ledger().find(id)->held);
}

TEST_CASE("what a report in the log tells of is done, although nobody lived to write that down") {
  SmallQueue queue;
  Message& message = queue.add(envelope(3));
  const queue::QueueId id = message.id;
  queue.ledger().delivered(message, 0);
  queue.ledger().failed(message, 1, false);
  REQUIRE(queue.ledger().write());
  queue::Envelope report = envelope(1, "");
  report.report_of = queue::ReportOf{id, {1, 70}};
  queue.write(report);
  queue.restart();
  CHECK(step(queue, id, 1) == Step::kDone);
  CHECK(step(queue, id, 2) == Step::kReady);
  CHECK(queue.ledger().messages().size() == 2);
  queue.restart();
  CHECK(step(queue, id, 1) == Step::kDone);
}

TEST_CASE("hold and release are remembered") {
  SmallQueue queue;
  Message& message = queue.add(envelope());
  const queue::QueueId id = message.id;
  queue.ledger().hold(message, true);
  REQUIRE(queue.ledger().sync());
  queue.cut_power_and_restart();
  CHECK(queue.ledger().find(id)->held);
  queue.ledger().hold(*queue.ledger().find(id), false);
  REQUIRE(queue.ledger().sync());
  queue.cut_power_and_restart();
  CHECK_FALSE(queue.ledger().find(id)->held);
}

TEST_CASE("a power loss may forget what was written and not synced, and then mail is tried again") {
  SmallQueue queue;
  const queue::QueueId kept = queue.add(envelope()).id, gone = queue.add(envelope()).id;
  queue.ledger().complete(*queue.ledger().find(gone));
  CHECK(queue.ledger().dirty());
  REQUIRE(queue.ledger().sync());
  CHECK_FALSE(queue.ledger().dirty());
  queue.ledger().complete(*queue.ledger().find(kept));
  REQUIRE(queue.ledger().write());
  CHECK(queue.ledger().dirty());
  queue.cut_power_and_restart();
  CHECK(queue.ledger().find(gone) == nullptr);
  CHECK(queue.ledger().find(kept) != nullptr);
}

TEST_CASE("the checkpoint moves when a segment has been left, and messages before it come back by their place") {
  SmallQueue queue;
  const queue::QueueId old = queue.add(envelope(2)).id;
  const uint32_t first = queue.writer().durable_end().segment;
  queue.ledger().deferred(*queue.ledger().find(old), 1, 1, kArrival + 500);
  fill_segment(queue);
  CHECK(queue.ledger().checkpoint() == queue::LogPosition{first + 1, 0});
  const queue::QueueId young = queue.add(envelope()).id;
  REQUIRE(queue.ledger().sync());
  for (int round = 0; round < 2; ++round) {
    queue.cut_power_and_restart();
    CHECK(queue.ledger().messages().size() == 2);
    CHECK(step(queue, old, 0) == Step::kReady);
    CHECK(step(queue, old, 1) == Step::kWaiting);
    CHECK(step(queue, young) == Step::kReady);
  }
}

TEST_CASE("a segment may go once: when nothing alive stands in it, and that is durable") {
  SmallQueue queue;
  const queue::QueueId old = queue.add(envelope()).id;
  const uint32_t first = queue.writer().durable_end().segment;
  fill_segment(queue);
  REQUIRE(queue.ledger().sync());
  CHECK(queue.ledger().freeable_segments().empty());  // one message still stands there
  queue.ledger().complete(*queue.ledger().find(old));
  REQUIRE(queue.ledger().sync());
  CHECK(queue.ledger().freeable_segments() == std::vector<uint32_t>{first});
  CHECK(queue.ledger().freeable_segments().empty());
}

TEST_CASE("a segment does not go before the checkpoint that passed it is durable") {
  SmallQueue queue;
  const uint32_t first = queue.writer().durable_end().segment;
  fill_segment(queue);
  REQUIRE(queue.ledger().write());
  CHECK(queue.ledger().freeable_segments().empty());
  REQUIRE(queue.ledger().sync());
  CHECK(queue.ledger().freeable_segments() == std::vector<uint32_t>{first});
}

TEST_CASE("a segment that nothing alive stood in at a restart goes too, and the current one never") {
  SmallQueue queue;
  const uint32_t first = queue.writer().durable_end().segment;
  fill_segment(queue);
  REQUIRE(queue.ledger().sync());
  queue.cut_power_and_restart();  // nobody was told to free it
  const auto freeable = queue.ledger().freeable_segments();
  CHECK(std::count(freeable.begin(), freeable.end(), first) == 1);
  for (const uint32_t segment : freeable) CHECK(segment < queue.writer().durable_end().segment);
}

TEST_CASE("after a failed sync nothing is durable, and the next one writes all from memory") {
  for (const uint64_t failing : {0, 1}) {  // the write, the sync
    CAPTURE(failing);
    SmallQueue queue;
    const queue::QueueId gone = queue.add(envelope()).id, kept = queue.add(envelope()).id;
    queue.ledger().complete(*queue.ledger().find(gone));
    queue.disk().fail(failing);
    CHECK_FALSE(queue.ledger().sync().has_value());
    CHECK(queue.ledger().dirty());
    queue.ledger().hold(*queue.ledger().find(kept), true);
    REQUIRE(queue.ledger().sync());
    queue.cut_power_and_restart();
    CHECK(queue.ledger().find(gone) == nullptr);
    CHECK(queue.ledger().find(kept)->held);
  }
}

TEST_CASE("whichever call of the disk fails, a completed message is never lost and a living one never forgotten") {
  for (uint64_t failing = 0; failing < 12; ++failing) {
    CAPTURE(failing);
    SmallQueue queue;
    const queue::QueueId alive = queue.add(envelope(2)).id;
    queue.ledger().delivered(*queue.ledger().find(alive), 0);
    REQUIRE(queue.ledger().sync());
    queue.disk().fail(failing, 2);
    for (int i = 0; i < 4; ++i) {
      queue.ledger().deferred(*queue.ledger().find(alive), 1, static_cast<uint32_t>(i) + 1, kArrival + i);
      (void)queue.ledger().write();
      (void)queue.ledger().sync();
    }
    queue.disk().stop_failing();
    const bool durable = queue.ledger().sync().has_value();
    queue.cut_power_and_restart();
    CHECK(durable);
    CHECK(step(queue, alive, 0) == Step::kDone);
    CHECK(step(queue, alive, 1) == Step::kWaiting);
    CHECK(queue.ledger().find(alive)->recipients[1].attempts == 4);
  }
}

TEST_CASE("a message that cannot be read is told at every restart, and its segment is kept") {
  SmallQueue queue;
  Message& message = queue.add(envelope());
  const queue::QueueId lost = message.id;
  const queue::Place place = message.place;
  fill_segment(queue);
  REQUIRE(queue.ledger().sync());
  queue.ledger().freeable_segments();
  queue.spoil_record(lost);
  for (int round = 0; round < 3; ++round) {
    CAPTURE(round);
    queue.restart();
    CHECK(queue.ledger().find(lost) == nullptr);
    const auto damage = queue.take_damage();
    REQUIRE(damage.size() == 1);
    CHECK(damage[0].find(queue::to_text(lost)) != std::string::npos);
    REQUIRE(queue.ledger().sync());
    const auto freeable = queue.ledger().freeable_segments();
    CHECK(std::count(freeable.begin(), freeable.end(), place.segment) == 0);
  }
}

TEST_CASE("the body of a message may go when its end is durable, and one that nobody names at the next start") {
  SmallQueue queue;
  const auto write = [&](uint64_t id) {
    std::ofstream(queue.log_folder() + "/" + queue::body_name(queue::QueueId{id})) << "body";
  };
  std::string bytes;
  queue::append_envelope(envelope(), bytes);
  const std::string content = queue::encode_body_reference({4, 0}) + "head";
  const std::string_view piece = content;
  const queue::QueueId id = queue.writer().new_id(kArrival * 1'000'000);
  queue.writer().append(id, queue::kHasBody, bytes, std::span(&piece, 1));
  REQUIRE(queue.writer().flush());
  write(id.value);
  write(id.value + 1);
  queue.restart();
  CHECK(queue.ledger().freeable_bodies() == std::vector<queue::QueueId>{{id.value + 1}});
  CHECK(queue.ledger().freeable_bodies().empty());
  Message* message = queue.ledger().find(id);
  REQUIRE(message != nullptr);
  CHECK(message->size() == 8);
  queue.ledger().complete(*message);
  CHECK(queue.ledger().freeable_bodies().empty());
  REQUIRE(queue.ledger().sync());
  CHECK(queue.ledger().freeable_bodies() == std::vector<queue::QueueId>{id});
}

TEST_CASE("a message keeps the length of its body when only the journal tells of its place") {
  SmallQueue queue;
  std::string bytes;
  queue::append_envelope(envelope(), bytes);
  const std::string content = queue::encode_body_reference({1'000'000, 0}) + "head";
  const std::string_view piece = content;
  const queue::QueueId id = queue.writer().new_id(kArrival * 1'000'000);
  queue.writer().append(id, queue::kHasBody, bytes, std::span(&piece, 1));
  REQUIRE(queue.writer().flush());
  queue.follow();
  fill_segment(queue);
  queue.follow();
  REQUIRE(queue.ledger().sync());
  for (int round = 0; round < 2; ++round) {
    queue.restart();
    const Message* message = queue.ledger().find(id);
    REQUIRE(message != nullptr);
    CHECK(message->size() == 1'000'004);
  }
}
