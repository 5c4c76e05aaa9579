// Workers and operators at their channels: what they are sent, and in which order with the journal.
#include "t/qmgr/desk.h"

using namespace hikyaku;
using namespace hikyaku::qmgr;

namespace {

// A message that has just failed for good, before bounce heard of it.
struct FailedDesk : Desk {
  FailedDesk() {
    REQUIRE(tell(client, ipc::Available{10, {}}));
    REQUIRE(tell(bounce, ipc::Available{1, {}}));
    workers.hand_out(turn, false);
    client.read();
    REQUIRE(tell(client, results(client.last<ipc::Deliver>(), ipc::Outcome::kBounced)));
  }
  RemoteEnd client{loop, ipc::Role::kSmtpClient}, bounce{loop, ipc::Role::kBounce};
  const queue::QueueId id = admit();
};

}  // namespace

TEST_CASE("a worker gets a segment once, before its first job in it, and no more jobs than it has slots") {
  Desk f;
  RemoteEnd worker(f.loop, ipc::Role::kSmtpClient);
  for (int i = 0; i < 3; ++i) f.admit();
  f.workers.hand_out(f.turn, true);  // nobody is there
  REQUIRE(f.tell(worker, ipc::Available{2, {}}));
  f.workers.hand_out(f.turn, true);
  CHECK(worker.read() == std::vector<uint16_t>{ipc::OpenSegment::kType, ipc::Deliver::kType, ipc::Deliver::kType});
  CHECK(worker.descriptors == 1);
  const auto job = worker.last<ipc::Deliver>();
  CHECK(job.next_hop_host == "relay.example.com");
  CHECK(job.sender == "sender@example.com");
  REQUIRE(f.tell(worker, f.results(job, ipc::Outcome::kSent)));
  f.workers.hand_out(f.turn, true);
  CHECK(worker.read() == std::vector<uint16_t>{ipc::Deliver::kType});
}

TEST_CASE("a result is confirmed when the journal has been written, once, and not before") {
  Desk f;
  RemoteEnd worker(f.loop, ipc::Role::kSmtpClient);
  const auto id = f.admit();
  REQUIRE(f.tell(worker, ipc::Available{10, {}}));
  f.workers.hand_out(f.turn, true);
  worker.read();
  REQUIRE(f.tell(worker, f.results(worker.last<ipc::Deliver>(), ipc::Outcome::kSent)));
  CHECK(worker.read().empty());
  REQUIRE(f.queue.ledger().write());
  f.workers.confirm_results();
  f.workers.confirm_results();
  CHECK(worker.read() == std::vector<uint16_t>{ipc::Recorded::kType});
  CHECK(worker.last<ipc::Recorded>().number == 1);
  f.queue.restart();
  CHECK(f.queue.ledger().find(id) == nullptr);
}

TEST_CASE("what a worker had in hand when it died goes to another one") {
  Desk f;
  RemoteEnd first(f.loop, ipc::Role::kSmtpClient), second(f.loop, ipc::Role::kSmtpClient);
  const auto id = f.admit();
  REQUIRE(f.tell(first, ipc::Available{10, {}}));
  f.workers.hand_out(f.turn, true);
  CHECK(first.read().size() == 2);
  f.workers.on_gone(first.peer, kNow, f.turn);
  REQUIRE(f.tell(second, ipc::Available{10, {}}));
  f.workers.hand_out(f.turn, true);
  second.read();
  CHECK(second.last<ipc::Deliver>().id == id);
}

TEST_CASE("a worker that gave a job back rests, so that the two do not play it to and fro") {
  Desk f;
  RemoteEnd worker(f.loop, ipc::Role::kSmtpClient);
  const auto id = f.admit();
  REQUIRE(f.tell(worker, ipc::Available{10, {}}));
  f.workers.hand_out(f.turn, true);
  worker.read();
  const uint64_t job = worker.last<ipc::Deliver>().job;
  REQUIRE(f.tell(worker, ipc::Returned{job, id, "no connection"}));
  f.workers.hand_out(f.turn, true);
  CHECK(worker.read().empty());
  f.workers.hand_out(f.turn + std::chrono::seconds(1), true);
  CHECK(worker.read() == std::vector<uint16_t>{ipc::Deliver::kType});
  CHECK(f.queue.ledger().find(id)->recipients[0].attempts == 0);
}

TEST_CASE("what a worker names as in hand when it comes is not handed out, and its result counts") {
  Desk f;
  RemoteEnd worker(f.loop, ipc::Role::kSmtpClient);
  const auto id = f.admit(2);
  REQUIRE(f.tell(worker, ipc::Available{10, {{id, {0, 1}, 7}}}));
  f.workers.hand_out(f.turn, true);
  CHECK(worker.read().empty());
  REQUIRE(f.tell(worker, ipc::Results{.number = 1,
                                      .job = 7,
                                      .id = id,
                                      .recipients = {{0, ipc::Outcome::kSent, "2.0.0", "mx", "ok"},
                                                     {1, ipc::Outcome::kSent, "2.0.0", "mx", "ok"}}}));
  CHECK(f.queue.ledger().find(id) == nullptr);
}

TEST_CASE("of two jobs of one message from a former qmgr the unanswered one is ready again when its worker dies") {
  Desk f;
  RemoteEnd worker(f.loop, ipc::Role::kSmtpClient);
  const auto id = f.admit(2);
  REQUIRE(f.tell(worker, ipc::Available{10, {{id, {0}, 7}, {id, {1}, 8}}}));
  REQUIRE(f.tell(
      worker,
      ipc::Results{.number = 1, .job = 8, .id = id, .recipients = {{1, ipc::Outcome::kSent, "2.0.0", "mx", "ok"}}}));
  f.workers.on_gone(worker.peer, kNow, f.turn);
  CHECK(f.queue.ledger().find(id)->recipients[0].step == Step::kReady);
  CHECK(f.queue.ledger().find(id)->recipients[1].step == Step::kDone);
}

TEST_CASE("a failed message goes to bounce and to nobody else, and is gone when the report is stored") {
  FailedDesk f;
  f.workers.hand_out(f.turn, true);
  CHECK(f.client.read().empty());
  CHECK(f.bounce.read() == std::vector<uint16_t>{ipc::OpenSegment::kType, ipc::MakeReport::kType});
  const auto report = f.bounce.last<ipc::MakeReport>();
  REQUIRE(report.recipients.size() == 1);
  CHECK(report.recipients[0].address == "user0@example.net");
  REQUIRE(f.tell(f.bounce, ipc::ReportStored{1, report.job, f.id, queue::QueueId{1}, {0}}));
  CHECK(f.queue.ledger().find(f.id) == nullptr);
}

TEST_CASE("nothing is given to bounce while the log may have a report that is not known") {
  FailedDesk f;
  f.admit();
  f.workers.hand_out(f.turn, false);
  CHECK(f.client.read() == std::vector<uint16_t>{ipc::Deliver::kType});
  CHECK(f.bounce.read().empty());

  SECTION("and nothing if it has") {
    f.deliveries.reported({f.id, {0}}, kNow);
    CHECK(f.queue.ledger().find(f.id) == nullptr);
    f.workers.hand_out(f.turn, true);
    CHECK(f.bounce.read().empty());
  }
  SECTION("and again if it has not") {
    f.workers.hand_out(f.turn, true);
    CHECK(f.bounce.read() == std::vector<uint16_t>{ipc::OpenSegment::kType, ipc::MakeReport::kType});
  }
}

TEST_CASE("a report that is in the log is not asked for again when its bounce has died, and may be told twice") {
  FailedDesk f;
  RemoteEnd next(f.loop, ipc::Role::kBounce);
  f.workers.hand_out(f.turn, true);
  f.bounce.read();
  const auto report = f.bounce.last<ipc::MakeReport>();
  f.deliveries.reported({f.id, {0}}, kNow);
  CHECK(f.queue.ledger().find(f.id) == nullptr);

  SECTION("dead") {
    f.workers.on_gone(f.bounce.peer, kNow, f.turn);
    REQUIRE(f.tell(next, ipc::Available{1, {}}));
    f.workers.hand_out(f.turn, true);
    CHECK(next.read().empty());
  }
  SECTION("told") { REQUIRE(f.tell(f.bounce, ipc::ReportStored{1, report.job, f.id, queue::QueueId{9}, {0}})); }
}

TEST_CASE("a segment is taken back from those that have it") {
  Desk f;
  RemoteEnd worker(f.loop, ipc::Role::kSmtpClient), idle(f.loop, ipc::Role::kBounce);
  const uint32_t segment = f.queue.ledger().find(f.admit())->place.segment;
  REQUIRE(f.tell(worker, ipc::Available{10, {}}));
  REQUIRE(f.tell(idle, ipc::Available{10, {}}));
  f.workers.hand_out(f.turn, true);
  worker.read();
  f.workers.close_segment(segment);
  CHECK(worker.read() == std::vector<uint16_t>{ipc::CloseSegment::kType});
  CHECK(idle.read().empty());
}

TEST_CASE("a frame that is not for qmgr is refused") {
  Desk f;
  RemoteEnd worker(f.loop, ipc::Role::kSmtpClient);
  CHECK_FALSE(f.tell(worker, ipc::Stored{1, {2}}));
  CHECK_FALSE(f.ask(worker, ipc::Available{1, {}}));
}

TEST_CASE("an action on a message that is named twice is done once, and answered when it is durable") {
  for (const ipc::Verb verb : {ipc::Verb::kDelete, ipc::Verb::kHold, ipc::Verb::kExpire}) {
    Desk f;
    RemoteEnd command(f.loop, ipc::Role::kControl);
    const std::string id = queue::to_text(f.admit());
    REQUIRE(f.ask(command,
                  ipc::Act{verb, false, {.ids = {id, "nonsense", id}, .sender = "", .recipient = "", .domain = ""}}));
    CHECK(f.control.owes_answers());
    CHECK(command.read().empty());
    f.control.give_answers();
    CHECK(command.read() == std::vector<uint16_t>{ipc::Acted::kType});
    const auto acted = command.last<ipc::Acted>();
    CHECK(acted.count == 1);
    CHECK(acted.unknown == std::vector<std::string>{"nonsense"});
    CHECK_FALSE(f.control.owes_answers());
  }
}

TEST_CASE("an operator who left is owed no answer") {
  Desk f;
  auto command = std::make_unique<RemoteEnd>(f.loop, ipc::Role::kControl);
  REQUIRE(
      f.ask(*command,
            ipc::Act{ipc::Verb::kHold, false, {.all = true, .ids = {}, .sender = "", .recipient = "", .domain = ""}}));
  f.control.on_gone(command->peer);
  command.reset();
  CHECK_FALSE(f.control.owes_answers());
  f.control.give_answers();
}

TEST_CASE("the listing shows where each message stands") {
  Desk f;
  RemoteEnd command(f.loop, ipc::Role::kControl);
  const auto held = f.admit(2);
  f.deliveries.act(ipc::Verb::kHold, *f.queue.ledger().find(held), kNow);
  REQUIRE(f.ask(command, ipc::ListQueue{}));
  CHECK(command.read() == std::vector<uint16_t>{ipc::QueueEntry::kType, ipc::EndOfList::kType});
  const auto entry = command.last<ipc::QueueEntry>();
  CHECK(entry.id == held);
  CHECK(entry.queue_name == "hold");
  CHECK(entry.arrival == kArrival);
  CHECK(entry.recipients.size() == 2);
  f.admit();
  REQUIRE(f.ask(command,
                ipc::ListQueue{{.all = false, .ids = {}, .sender = "", .recipient = "", .domain = "EXAMPLE.NET"}}));
  CHECK(command.read().size() == 3);
  REQUIRE(
      f.ask(command,
            ipc::ListQueue{{.all = false, .ids = {}, .sender = "nobody@example.com", .recipient = "", .domain = ""}}));
  command.read();
  CHECK(command.last<ipc::EndOfList>().count == 0);
}
