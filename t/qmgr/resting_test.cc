// Messages that rest in the index: memory forgets them, and neither a kill nor a new journal file does.
#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>
#include <set>

#include "qmgr/rest.h"
#include "qmgr/walk.h"
#include "t/qmgr/course.h"

using namespace hikyaku;
using namespace hikyaku::qmgr;

namespace {

queue::QueueId defer_one(Course& f, const queue::Envelope& what = envelope()) {
  const queue::QueueId id = f.admit(what);
  const uint64_t job = f.take();
  REQUIRE(job != 0);
  f.answer(job, id, {ipc::Outcome::kDeferred});
  return id;
}

// As far as a restart keeps it: a journal's record of a deferral says neither when it was nor who said it.
queue::RestingMessage kept(Message message) {
  for (RecipientState& state : message.recipients) {
    state.last_attempt = 0;
    state.remote_mta.clear();
  }
  return as_kept(to_resting(message));
}

}  // namespace

TEST_CASE("a deferred message leaves memory when the index has it, and comes back when it is due") {
  Course f;
  queue::Envelope what = envelope(2);
  what.recipients[1].original_recipient = "rfc822;first@example.org";
  const queue::QueueId id = defer_one(f, what);
  CHECK(f.queue.ledger().find(id) != nullptr);
  f.queue.settle_index();
  CHECK(f.queue.ledger().messages().empty());
  REQUIRE(f.find(id) != nullptr);
  CHECK(f.find(id)->recipients[1].reply == "said so");
  CHECK(f.find(id)->recipients[1].recipient.address == "user1@example.net");

  f.pass(seconds(99));
  CHECK(f.take() == 0);
  f.pass(seconds(1));
  const uint64_t job = f.take();
  REQUIRE(job != 0);
  const Message* loaded = f.queue.ledger().find(id);
  REQUIRE(loaded != nullptr);
  CHECK(loaded->recipients[1].recipient == what.recipients[1]);
  CHECK(loaded->recipients[1].attempts == 1);
  f.answer(job, id, {ipc::Outcome::kSent});
  CHECK(f.find(id) == nullptr);
  f.restart();
  CHECK(f.find(id) == nullptr);
}

TEST_CASE("a short wait is not worth the index") {
  Config config = relay_config();
  config.retry.a = seconds{2};
  Course f(config);
  const queue::QueueId id = defer_one(f);
  f.queue.settle_index();
  CHECK(f.queue.ledger().find(id) != nullptr);
}

TEST_CASE("a restart leaves what rests where it is, whether the journal tells of it or not") {
  Course f;
  const queue::QueueId id = defer_one(f);
  f.queue.settle_index();
  for (int round = 0; round < 3; ++round) {  // the first with its records in the journal, the others without
    CAPTURE(round);
    f.restart();
    CHECK(f.queue.ledger().messages().empty());
    REQUIRE(f.find(id) != nullptr);
    CHECK(f.find(id)->recipients[0].attempts == 1);
  }
  f.pass(seconds(100));
  CHECK(f.take() != 0);
}

TEST_CASE("a message that the index was not given yet is found by a restart") {
  Course f;
  const queue::QueueId id = defer_one(f);
  f.restart();
  REQUIRE(f.queue.ledger().find(id) != nullptr);
  CHECK(f.queue.ledger().find(id)->recipients[0].step == Step::kWaiting);
}

TEST_CASE("what happened after a message was taken back is known after a kill, although the index does not know it") {
  Course f;
  const queue::QueueId half = defer_one(f, envelope(2)), whole = defer_one(f), held = defer_one(f);
  f.queue.settle_index();
  f.pass(seconds(100));
  for (int i = 0; i < 3; ++i) {
    const auto outgoing = f.deliveries->next_delivery();
    REQUIRE(outgoing);
    f.recipients = outgoing->job->recipients;
    const queue::QueueId id = outgoing->message->id;
    f.answer(outgoing->number, id,
             id == half ? std::vector{ipc::Outcome::kSent, ipc::Outcome::kDeferred} : std::vector{ipc::Outcome::kSent});
  }
  CHECK(f.find(held) == nullptr);
  f.restart();
  CHECK(f.find(whole) == nullptr);
  REQUIRE(f.find(half) != nullptr);
  CHECK(f.find(half)->recipients[0].step == Step::kDone);
  CHECK(f.find(half)->recipients[1].attempts == 2);
  // The removal is made up for, so that nothing of it stays in the index for ever.
  f.queue.settle_index();
  f.restart();
  CHECK(f.find(whole) == nullptr);
}

TEST_CASE("an operator's action reaches what rests") {
  Course f;
  const queue::QueueId held = defer_one(f), gone = defer_one(f), tried = defer_one(f);
  f.queue.settle_index();
  REQUIRE(f.queue.ledger().messages().empty());
  f.act(ipc::Verb::kHold, held);
  f.act(ipc::Verb::kDelete, gone);
  f.act(ipc::Verb::kRetry, tried);
  CHECK(f.take() != 0);
  f.queue.settle_index();
  CHECK(f.queue.ledger().messages().size() == 1);  // the one that is tried
  f.restart();
  CHECK(f.find(gone) == nullptr);
  CHECK(f.find(held)->held);
  f.pass(seconds(200));
  CHECK(f.take() != 0);  // tried
  CHECK(f.take() == 0);
  f.act(ipc::Verb::kRelease, held);
  f.pass(seconds(0));
  CHECK(f.take() != 0);
}

TEST_CASE("a new journal file waits until the index has for good what left memory") {
  Course f;
  const queue::QueueId id = defer_one(f);
  f.queue.settle_index();
  // A failed journal must begin a new file; the first tries may not.
  const queue::QueueId other = f.admit(envelope());
  f.queue.disk().fail(0);
  f.act(ipc::Verb::kHold, other);
  CHECK_FALSE(f.queue.ledger().write().has_value());
  CHECK_FALSE(f.queue.ledger().sync().has_value());
  while (!f.queue.ledger().sync()) f.queue.wait_for_index();  // committed is not yet durable
  f.queue.restart();
  CHECK(f.find(id)->recipients[0].attempts == 1);
  CHECK(f.find(other)->held);
}

TEST_CASE("without its index the queue is read from the log: mail may go twice, and none is forgotten") {
  Course f;
  const queue::QueueId id = defer_one(f), gone = f.admit(envelope());
  f.answer(f.take(), gone, {ipc::Outcome::kSent});
  f.queue.settle_index();
  f.restart();
  REQUIRE(f.queue.take_damage().empty());
  std::filesystem::remove(f.queue.index_folder() + "/data.mdb");
  f.restart();
  REQUIRE(f.queue.ledger().find(id) != nullptr);
  CHECK(f.queue.take_damage().size() == 1);
  f.restart();
  CHECK(f.find(id) != nullptr);
  CHECK(f.queue.take_damage().empty());
}

TEST_CASE("when the clock is set back, what waits waits no longer: in memory, on its way to the index, or at rest") {
  Course f;
  const queue::QueueId rests = defer_one(f);
  f.queue.settle_index();
  const queue::QueueId leaves = defer_one(f);
  REQUIRE(f.queue.ledger().sync());
  f.queue.ledger().hand_over();  // and the index has not said that it has it
  const seconds jump{-1'000'000'000};
  f.now += jump;
  f.deliveries->clock_jumped(jump, f.now);
  for (int round = 0; round < 3; ++round) {
    REQUIRE(f.deliveries->look_for_late(f.now));
    f.queue.settle_index();
  }
  f.pass(seconds(101));
  std::vector<queue::QueueId> tried;
  while (const auto outgoing = f.deliveries->next_delivery()) tried.push_back(outgoing->message->id);
  std::sort(tried.begin(), tried.end());
  CHECK(tried == std::vector{rests, leaves});
}

TEST_CASE("a segment stays while a message in it rests, and goes when it is gone") {
  Course f;
  const queue::QueueId id = defer_one(f);
  const uint32_t segment = f.find(id)->place.segment;
  f.queue.settle_index();
  const auto next_segment = [&] {
    const uint32_t now = f.queue.writer().durable_end().segment;
    while (f.queue.writer().durable_end().segment == now) f.queue.ledger().complete(f.queue.add(envelope(), 3000));
    REQUIRE(f.queue.ledger().sync());
  };
  const auto is_freeable = [&] {
    const auto freeable = f.queue.ledger().freeable_segments();
    return std::ranges::find(freeable, segment) != freeable.end();
  };
  next_segment();
  CHECK_FALSE(is_freeable());
  f.restart();
  next_segment();
  CHECK_FALSE(is_freeable());
  f.act(ipc::Verb::kDelete, id);
  REQUIRE(f.queue.ledger().sync());
  CHECK(is_freeable());
}

TEST_CASE("what a full lane has no room for rests, and comes when there is room, the oldest first") {
  Config config = relay_config();
  config.most_first_attempts = 10;
  config.most_retries = 4;
  Course f(config);
  std::vector<queue::QueueId> all;
  for (int i = 0; i < 100; ++i) all.push_back(f.admit(envelope()));
  f.queue.settle_index();
  CHECK(f.queue.ledger().messages().size() == 10);
  f.restart();  // what was in the lane is known, and the rest rests
  CHECK(f.queue.ledger().messages().size() == 10);
  std::vector<queue::QueueId> tried;
  for (int round = 0; round < 100 && tried.size() < 100; ++round) {
    while (const auto outgoing = f.deliveries->next_delivery()) {
      tried.push_back(outgoing->message->id);
      f.recipients = outgoing->job->recipients;
      f.answer(outgoing->number, outgoing->message->id, {ipc::Outcome::kDeferred});
    }
    f.queue.settle_index();
    f.load_due();
    CHECK(f.queue.ledger().messages().size() <= 10);
  }
  CHECK(tried == all);

  // An operator may ask for all of it at once.
  for (const queue::QueueId id : all) f.act(ipc::Verb::kRetry, id);
  f.queue.settle_index();
  CHECK(f.queue.ledger().messages().size() <= 10);
  size_t again = 0;
  for (int round = 0; round < 100 && again < 100; ++round) {
    f.load_due();
    while (const auto outgoing = f.deliveries->next_delivery()) {
      ++again;
      f.recipients = outgoing->job->recipients;
      f.answer(outgoing->number, outgoing->message->id, {ipc::Outcome::kSent});
    }
  }
  CHECK(again == 100);
}

TEST_CASE("a walk meets every message once, in memory or at rest, in the order of their ids") {
  Course f;
  std::vector<queue::QueueId> all;
  for (int i = 0; i < 700; ++i) all.push_back(i % 3 == 0 ? f.admit(envelope()) : defer_one(f));
  while (f.take() != 0) continue;
  f.queue.settle_index();
  std::vector<queue::QueueId> met;
  Walk walk(f.queue.ledger());
  while (const auto id = walk.next()) {
    met.push_back(*id);
    if (met.size() == 100) f.pass(seconds(100));  // much of it comes back into memory
    if (met.size() == 200) f.queue.settle_index();
  }
  std::sort(all.begin(), all.end());
  CHECK(met == all);
  CHECK(walk.left() == 0);
}

TEST_CASE("whatever happens in whatever order, a kill forgets nothing, and each recipient gets its mail once") {
  std::minstd_rand random(GENERATE(1u, 2u, 3u, 4u, 5u, 6u));
  const auto below = [&](size_t n) { return static_cast<size_t>(random()) % n; };
  Config config = relay_config();
  config.retry.period = seconds{1'000'000};
  Course f(config);
  std::map<uint64_t, std::map<uint32_t, int>> delivered;
  std::set<uint64_t> deleted;
  std::vector<queue::QueueId> ids;
  std::vector<std::pair<uint64_t, queue::QueueId>> in_hand;

  const auto answer_one = [&](bool all_well) {
    const auto outgoing = f.deliveries->next_delivery();
    if (!outgoing) return false;
    const queue::QueueId id = outgoing->message->id;
    f.recipients = outgoing->job->recipients;
    std::vector<ipc::Outcome> outcomes;
    for (const uint32_t index : f.recipients) {
      outcomes.push_back(all_well || below(3) == 0 ? ipc::Outcome::kSent : ipc::Outcome::kDeferred);
      if (outcomes.back() == ipc::Outcome::kSent) ++delivered[id.value][index];
    }
    f.answer(outgoing->number, id, outcomes);
    return true;
  };
  const auto restart = [&] {
    REQUIRE(f.queue.ledger().write());
    std::map<uint64_t, queue::RestingMessage> before;
    for (const queue::QueueId id : ids)
      if (const Message* message = f.find(id)) before.emplace(id.value, kept(*message));
    f.restart();
    for (const queue::QueueId id : ids) {
      const Message* message = f.find(id);
      REQUIRE((message != nullptr) == before.contains(id.value));
      if (message != nullptr) REQUIRE(kept(*message) == before.at(id.value));
    }
  };

  for (int step = 0; step < 400; ++step) {
    switch (below(12)) {
      case 0:
      case 1:
        ids.push_back(f.admit(envelope(1 + below(3))));
        break;
      case 2:
      case 3:
      case 4:
        answer_one(false);
        break;
      case 5:  // stays in a hand
        f.take();
        break;
      case 6:
        f.now += seconds(below(120));
        f.deliveries->wake(f.now);
        break;
      case 7:
        (void)f.deliveries->load_due(f.now);
        break;
      case 8:
        REQUIRE(f.queue.ledger().sync());
        f.queue.ledger().hand_over();
        break;
      case 9:
        REQUIRE(f.queue.ledger().index_progress());
        break;
      case 10: {
        if (ids.empty()) break;
        const queue::QueueId id = ids[below(ids.size())];
        static constexpr ipc::Verb verbs[] = {ipc::Verb::kHold, ipc::Verb::kRelease, ipc::Verb::kRetry,
                                              ipc::Verb::kRelease, ipc::Verb::kDelete};
        const ipc::Verb verb = verbs[below(step % 7 == 0 ? 5 : 4)];
        if (f.find(id) == nullptr) break;
        f.act(verb, id);
        if (verb == ipc::Verb::kDelete) deleted.insert(id.value);
        break;
      }
      case 11:
        if (below(3) == 0) restart();
        break;
    }
  }
  restart();  // also empties all hands
  for (const queue::QueueId id : ids)
    if (f.find(id) != nullptr) f.act(ipc::Verb::kRelease, id);
  for (int round = 0; round < 10; ++round) {
    f.pass(seconds(2000));
    while (answer_one(true)) continue;
  }
  for (const queue::QueueId id : ids) {
    CAPTURE(id.value);
    CHECK(f.find(id) == nullptr);
    for (const auto& [index, times] : delivered[id.value]) CHECK(times == 1);
    if (!deleted.contains(id.value)) CHECK_FALSE(delivered[id.value].empty());
  }
  CHECK(f.queue.take_damage().empty());
}
