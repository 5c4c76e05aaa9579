// The hand-over between a qmgr and the workers of before, and what a worker leaves that dies.
#include "t/qmgr/desk.h"

using namespace hikyaku;
using namespace hikyaku::qmgr;

TEST_CASE("nothing is handed out before each living worker of before has reported") {
  Desk f;
  RemoteEnd first(f.loop, ipc::Role::kSmtpClient), second(f.loop, ipc::Role::kSmtpClient);
  std::optional<ipc::Presence> one(f.alive(first)), two(f.alive(second));
  const auto mine = f.admit(), other = f.admit();
  REQUIRE(f.workers.call_roll(f.turn));
  CHECK(f.workers.awaits_somebody());
  REQUIRE(f.tell(first, ipc::Available{10, {}}));
  f.workers.hand_out(f.turn, true);
  CHECK(first.read().empty());
  SECTION("it reports what it has, and that is given to nobody else") {
    REQUIRE(f.tell(second, ipc::Available{10, {{mine, {0}, 7}}}));
  }
  SECTION("it dies") {
    two.reset();
    f.workers.hand_out(f.turn, true);
    CHECK(first.read().empty());
    f.deliveries.act(ipc::Verb::kDelete, *f.queue.ledger().find(mine), kNow);
    f.workers.look(kNow, f.turn);
  }
  CHECK_FALSE(f.workers.awaits_somebody());
  f.workers.hand_out(f.turn, true);
  first.read();
  second.read();
  const RemoteEnd& taker = first.types.empty() ? second : first;
  CHECK(taker.types == std::vector<uint16_t>{ipc::OpenSegment::kType, ipc::Deliver::kType});
  CHECK(taker.last<ipc::Deliver>().id == other);
}

TEST_CASE("the dead hold up nobody, and no time makes qmgr forget the living") {
  Desk f;
  RemoteEnd dead(f.loop, ipc::Role::kSmtpClient), living(f.loop, ipc::Role::kBounce);
  { const ipc::Presence gone = f.alive(dead); }
  REQUIRE(f.workers.call_roll(f.turn));
  CHECK_FALSE(f.workers.awaits_somebody());
  const ipc::Presence sign = f.alive(living);
  REQUIRE(f.workers.call_roll(f.turn));
  f.workers.look(kNow, f.turn + std::chrono::hours(24));
  CHECK(f.workers.awaits_somebody());
}

TEST_CASE("a worker whose connection breaks keeps its work as long as it lives, and other mail goes on") {
  Desk f;
  RemoteEnd worker(f.loop, ipc::Role::kSmtpClient), again(f.loop, ipc::Role::kSmtpClient),
      other(f.loop, ipc::Role::kSmtpClient);
  again.peer.hello = worker.peer.hello;
  std::optional<ipc::Presence> sign(f.alive(worker));
  const auto named = f.admit(), never_came = f.admit(), answered = f.admit();
  REQUIRE(f.tell(worker, ipc::Available{10, {}}));
  f.workers.hand_out(f.turn, true);
  worker.read();
  const auto last = worker.last<ipc::Deliver>();
  REQUIRE(last.id == answered);
  const auto result = f.results(last, ipc::Outcome::kDeferred);
  REQUIRE(f.tell(worker, result));
  const bool seen = GENERATE(true, false);  // whether the end of the old connection is seen first
  if (seen) {
    f.workers.on_gone(worker.peer, kNow, f.turn);
    CHECK(f.workers.awaits_somebody());
    REQUIRE(f.tell(other, ipc::Available{10, {}}));
    const auto fresh = f.admit();
    f.workers.hand_out(f.turn, true);
    CHECK(other.read().size() == 2);
    CHECK(other.last<ipc::Deliver>().id == fresh);
    f.workers.look(kNow, f.turn + std::chrono::hours(1));
    f.workers.hand_out(f.turn, true);
    CHECK(other.read().empty());
  }
  SECTION("it comes back: what it names goes on, what it does not name is handed out again") {
    const uint64_t kept = last.job - 2;
    REQUIRE(f.tell(again, ipc::Available{10, {{answered, {0}, last.job}, {named, {0}, kept}}}));
    CHECK_FALSE(f.workers.awaits_somebody());
    CHECK(f.queue.ledger().find(named)->recipients[0].step == Step::kInHand);
    REQUIRE(f.tell(again, result));  // told again: taken once
    CHECK(f.queue.ledger().find(answered)->recipients[0].attempts == 1);
    CHECK(f.queue.ledger().find(answered)->recipients[0].step == Step::kWaiting);
    CHECK(f.queue.ledger().find(never_came)->recipients[0].step == Step::kReady);
    if (!seen) {
      CHECK_FALSE(f.tell(worker, ipc::Returned{kept, named, "late"}));
      f.workers.on_gone(worker.peer, kNow, f.turn);
    }
    f.workers.hand_out(f.turn, true);
    CHECK(f.queue.ledger().find(never_came)->recipients[0].step == Step::kInHand);
    REQUIRE(f.tell(again, ipc::Results{.number = result.number + 1,
                                       .job = kept,
                                       .id = named,
                                       .recipients = {{0, ipc::Outcome::kSent, "2.0.0", "mx", "ok"}}}));
    CHECK(f.queue.ledger().find(named) == nullptr);
    f.workers.confirm_results();
    again.read();
    CHECK(again.last<ipc::Recorded>().number == result.number + 1);
  }
  SECTION("it dies: its work is in doubt") {
    sign.reset();
    if (!seen) f.workers.on_gone(worker.peer, kNow, f.turn);
    f.workers.look(kNow, f.turn);
    CHECK_FALSE(f.workers.awaits_somebody());
    CHECK(f.queue.ledger().find(named)->deaths == 1);
    CHECK(f.queue.ledger().find(answered)->deaths == 0);
  }
}

TEST_CASE("a suspect has a worker for itself where there are two, and the other one gets all else") {
  Desk f;
  RemoteEnd dying(f.loop, ipc::Role::kSmtpClient), busy(f.loop, ipc::Role::kSmtpClient),
      other(f.loop, ipc::Role::kSmtpClient);
  const auto suspect = f.admit();
  REQUIRE(f.tell(dying, ipc::Available{1, {}}));
  f.workers.hand_out(f.turn, true);
  REQUIRE(f.tell(busy, ipc::Available{1, {}}));
  REQUIRE(f.tell(other, ipc::Available{10, {}}));
  f.admit();
  f.admit();
  f.admit();
  f.workers.hand_out(f.turn, true);
  busy.read();
  const auto busy_job = busy.last<ipc::Deliver>();
  CHECK(other.read().size() == 3);  // a segment and two jobs
  f.workers.on_gone(dying.peer, kNow, f.turn);
  f.admit();
  f.workers.hand_out(f.turn, true);
  CHECK(busy.read().empty());
  CHECK(other.read() == std::vector<uint16_t>{ipc::Deliver::kType});
  CHECK(other.last<ipc::Deliver>().id != suspect);
  REQUIRE(f.tell(busy, f.results(busy_job, ipc::Outcome::kSent)));
  f.workers.hand_out(f.turn, true);
  CHECK(busy.read() == std::vector<uint16_t>{ipc::Deliver::kType});
  CHECK(busy.last<ipc::Deliver>().id == suspect);
}

TEST_CASE("a single worker takes one suspect at a time, and new mail beside it") {
  Desk f;
  RemoteEnd dying(f.loop, ipc::Role::kSmtpClient), worker(f.loop, ipc::Role::kSmtpClient);
  const auto first = f.admit(), second = f.admit();
  REQUIRE(f.tell(dying, ipc::Available{10, {}}));
  f.workers.hand_out(f.turn, true);
  f.workers.on_gone(dying.peer, kNow, f.turn);
  const auto fresh = f.admit();
  REQUIRE(f.tell(worker, ipc::Available{10, {}}));
  f.workers.hand_out(f.turn, true);
  f.workers.hand_out(f.turn, true);
  worker.read();
  CHECK(worker.types.size() == 3);
  CHECK(worker.last<ipc::Deliver>().id == fresh);
  CHECK(f.queue.ledger().find(first)->recipients[0].step == Step::kInHand);
  CHECK(f.queue.ledger().find(second)->recipients[0].step == Step::kReady);
  CHECK(f.queue.ledger().find(second)->deaths == 1);
}

TEST_CASE("the listing says why a message is held") {
  Desk f;
  RemoteEnd command(f.loop, ipc::Role::kControl);
  const auto id = f.admit();
  for (int deaths = 0; deaths < 3; ++deaths) {
    RemoteEnd dying(f.loop, ipc::Role::kSmtpClient);
    REQUIRE(f.tell(dying, ipc::Available{10, {}}));
    f.workers.hand_out(f.turn, true);
    f.workers.on_gone(dying.peer, kNow, f.turn);
  }
  REQUIRE(f.ask(command, ipc::ListQueue{}));
  command.read();
  const auto entry = command.last<ipc::QueueEntry>();
  CHECK(entry.id == id);
  CHECK(entry.queue_name == "hold");
  CHECK(entry.hold_reason == "its delivery ended smtp-client three times");
}
