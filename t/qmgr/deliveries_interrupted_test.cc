// The course of messages when operators act on them and qmgr is started again.
#include <map>
#include <random>
#include <set>

#include "t/qmgr/course.h"

using namespace hikyaku;
using namespace hikyaku::qmgr;
using Outcome = ipc::Outcome;

// ---- the operator --------------------------------------------------------------------------------------------------

TEST_CASE("a message deleted in somebody's hand stays gone, whatever the answer is") {
  for (const Outcome outcome : {Outcome::kSent, Outcome::kDeferred, Outcome::kBounced}) {
    Course f;
    const auto id = f.admit(envelope());
    const uint64_t job = f.take();
    CHECK(f.deliveries->is_on_the_wire(*f.find(id)));
    f.act(ipc::Verb::kDelete, id);
    CHECK(f.find(id) == nullptr);
    f.answer(job, id, {outcome});
    CHECK(f.take_report() == 0);
    f.restart();
    CHECK(f.find(id) == nullptr);
    // The place in the destination's window is free again.
    const auto next = f.admit(envelope());
    CHECK(f.take() != 0);
    CHECK(f.find(next)->count(Step::kInHand) == 1);
  }
}

TEST_CASE("a message deleted before its turn leaves its place to the next") {
  Config config = relay_config();
  config.window = {.initial = 1, .most = 1, .jobs_each = 1};
  Course f(config);
  const auto first = f.admit(envelope()), second = f.admit(envelope());
  f.act(ipc::Verb::kDelete, first);
  const auto outgoing = f.deliveries->next_delivery();
  REQUIRE(outgoing.has_value());
  CHECK(outgoing->message->id == second);
}

TEST_CASE("held mail does not move, and goes on where it stood when it is released") {
  Course f;
  const auto ready = f.admit(envelope()), waiting = f.admit(envelope());
  f.act(ipc::Verb::kHold, ready);
  f.answer(f.take(), waiting, {Outcome::kDeferred});
  f.act(ipc::Verb::kHold, waiting);
  f.pass(seconds{200});
  CHECK(f.take() == 0);
  f.act(ipc::Verb::kRetry, waiting);
  CHECK(f.take() == 0);
  f.restart();
  f.pass(seconds{1});
  CHECK(f.take() == 0);
  f.act(ipc::Verb::kRelease, ready);
  f.act(ipc::Verb::kRelease, waiting);
  f.deliveries->wake(f.now);
  CHECK(f.take() != 0);
  CHECK(f.take() != 0);
  CHECK(f.take() == 0);
}

TEST_CASE("mail that is held and released while its task still waits goes out once") {
  Course f;
  const auto id = f.admit(envelope());
  for (int i = 0; i < 3; ++i) {
    f.act(ipc::Verb::kHold, id);
    f.act(ipc::Verb::kRelease, id);
  }
  const uint64_t job = f.take();
  CHECK(f.take() == 0);
  f.answer(job, id, {Outcome::kDeferred});
  CHECK(f.take() == 0);
  f.pass(seconds{100});
  f.answer(f.take(), id, {Outcome::kSent});
  CHECK(f.find(id) == nullptr);
}

TEST_CASE("the answer for mail that was held in somebody's hand counts") {
  Course f;
  const auto sent = f.admit(envelope()), returned = f.admit(envelope());
  const uint64_t first = f.take(), second = f.take();
  f.act(ipc::Verb::kHold, sent);
  f.act(ipc::Verb::kHold, returned);
  f.recipients = {0};
  f.answer(first, sent, {Outcome::kSent});
  CHECK(f.find(sent) == nullptr);
  f.deliveries->returned(second, f.now);
  CHECK(f.take() == 0);
  f.act(ipc::Verb::kRelease, returned);
  CHECK(f.take() != 0);
}

TEST_CASE("retry moves what waits at once, and its old time does nothing more") {
  Course f;
  const auto id = f.admit(envelope());
  f.answer(f.take(), id, {Outcome::kDeferred});
  f.act(ipc::Verb::kRetry, id);
  const uint64_t job = f.take();
  REQUIRE(job != 0);
  f.pass(seconds{100});
  CHECK(f.take() == 0);
  f.answer(job, id, {Outcome::kSent});
  CHECK(f.find(id) == nullptr);
}

TEST_CASE("expire gives up what waits, with a report") {
  Course f;
  const auto id = f.admit(envelope(2));
  f.answer(f.take(), id, {Outcome::kDeferred});
  f.act(ipc::Verb::kExpire, id);
  CHECK(f.take_report() != 0);
  CHECK(f.recipients == std::vector<uint32_t>{0, 1});
  CHECK(f.find(id)->recipients[0].expired);
}

// ---- restarts of qmgr while workers go on --------------------------------------------------------------------------

TEST_CASE("what a worker has in hand from a former qmgr is not handed out again, and its answer counts") {
  Course f;
  const auto id = f.admit(envelope(2)), other = f.admit(envelope());
  f.take();
  f.restart();
  CHECK(f.find(id)->count(Step::kReady) == 2);
  const uint64_t job = 7;
  REQUIRE(f.deliveries->adopt({id, {0, 1, 99}, job}));
  CHECK(f.find(id)->count(Step::kInHand) == 2);
  const auto next = f.deliveries->next_delivery();
  REQUIRE(next.has_value());
  CHECK(next->message->id == other);
  CHECK(f.take() == 0);
  f.recipients = {0, 1};
  f.answer(job, id, {Outcome::kSent});
  CHECK(f.find(id) == nullptr);
}

TEST_CASE("what was adopted is ready again when its worker is gone") {
  Course f;
  const auto id = f.admit(envelope(2));
  f.answer(f.take(), id, {Outcome::kSent, Outcome::kDeferred});
  f.restart();
  const uint64_t job = 7;
  REQUIRE(f.deliveries->adopt({id, {0, 1}, job}));
  CHECK(f.find(id)->recipients[0].step == Step::kDone);
  CHECK(f.find(id)->recipients[1].step == Step::kInHand);
  f.pass(seconds{100});
  CHECK(f.take() == 0);
  f.deliveries->returned(job, f.now);
  CHECK(f.take() != 0);
  CHECK(f.recipients == std::vector<uint32_t>{1});
}

TEST_CASE("an adopted recipient whose next hop no longer exists fails, and its sender is told") {
  Course f;
  queue::Envelope what = envelope(0);
  what.recipients.push_back({"nowhere", "", 0});
  const auto id = f.admit(what);
  f.take();
  f.settings = mx_config();  // the relay host, which took any address, is gone
  f.restart();
  if (f.take_report() != 0) return;  // admitted and failed before the worker came back
  const uint64_t job = 7;
  REQUIRE(f.deliveries->adopt({id, {0}, job}));
  f.deliveries->returned(job, f.now);
  CHECK(f.take_report() != 0);
}

TEST_CASE("a message that is gone is not adopted") {
  Course f;
  CHECK_FALSE(f.deliveries->adopt({queue::QueueId{42}, {0}, 7}));
}

TEST_CASE("a relay host set by a reload takes what comes from then on") {
  Course f(mx_config());
  f.deliveries->set_config(relay_config());
  f.admit(envelope());
  const auto outgoing = f.deliveries->next_delivery();
  REQUIRE(outgoing.has_value());
  CHECK(outgoing->job->destination->hop().host == "relay.example.com");
}

TEST_CASE("whatever workers, operators and restarts do, every message ends, and is delivered or reported") {
  std::minstd_rand random(3);
  Config config = relay_config();
  config.recipients_each = 2;
  Course f(config);
  struct InHand {
    queue::QueueId id;
    std::vector<uint32_t> recipients;
  };
  std::map<uint64_t, InHand> jobs;
  std::map<uint64_t, queue::QueueId> reports;
  std::map<uint64_t, std::set<uint32_t>> settled;  // by message: recipients sent or reported
  constexpr size_t kMessages = 60, kRecipients = 5;
  std::vector<queue::QueueId> ids;
  for (int round = 0; round < 4000; ++round) {
    if (ids.size() < kMessages && random() % 4 == 0) ids.push_back(f.admit(envelope(kRecipients)));
    const unsigned what = random() % 100;
    const bool late = round > 2500;
    if (what < 40) {
      if (const uint64_t job = f.take()) {
        const auto found = std::find_if(ids.begin(), ids.end(), [&](queue::QueueId id) {
          const Message* message = f.find(id);
          return message != nullptr && f.deliveries->is_on_the_wire(*message) && [&] {
            for (const uint32_t index : f.recipients)
              if (message->recipients[index].step != Step::kInHand) return false;
            for (const auto& [n, other] : jobs)
              if (other.id == id && std::find(other.recipients.begin(), other.recipients.end(), f.recipients[0]) !=
                                        other.recipients.end())
                return false;
            return true;
          }();
        });
        REQUIRE(found != ids.end());
        jobs[job] = {*found, f.recipients};
      }
    } else if (what < 75 && !jobs.empty()) {
      const auto job = std::next(jobs.begin(), static_cast<long>(random() % jobs.size()));
      if (random() % 6 == 0) {
        f.deliveries->returned(job->first, f.now);
      } else {
        std::vector<Outcome> outcomes;
        for (const uint32_t index : job->second.recipients) {
          outcomes.push_back(late || random() % 3 == 0 ? Outcome::kSent : static_cast<Outcome>(random() % 3));
          if (outcomes.back() == Outcome::kSent) settled[job->second.id.value].insert(index);
        }
        f.recipients = job->second.recipients;
        f.answer(job->first, job->second.id, outcomes);
      }
      jobs.erase(job);
    } else if (what < 80) {
      const auto outgoing = f.deliveries->next_report();
      if (outgoing) {
        if (random() % 3 == 0) {
          f.deliveries->returned(outgoing->number, f.now);
        } else {
          for (const uint32_t index : outgoing->job->recipients) settled[outgoing->message->id.value].insert(index);
          f.deliveries->report_stored(outgoing->number, f.now);
        }
      }
    } else if (what < 92 && !ids.empty()) {
      const queue::QueueId id = ids[random() % ids.size()];
      const ipc::Verb verbs[] = {ipc::Verb::kHold, ipc::Verb::kRelease, ipc::Verb::kRetry, ipc::Verb::kExpire};
      if (f.find(id) != nullptr) f.act(late ? ipc::Verb::kRelease : verbs[random() % 4], id);
    } else if (what < 93) {
      f.restart();
      for (const auto& [number, job] : std::exchange(jobs, {}))
        if (f.deliveries->adopt({job.id, job.recipients, number})) jobs[number] = job;
    } else {
      f.pass(seconds{20});
    }
  }
  for (const queue::QueueId id : ids)
    if (f.find(id) != nullptr) f.act(ipc::Verb::kRelease, id);
  for (int round = 0; round < 400 && !f.queue.ledger().messages().empty(); ++round) {
    for (const auto& [job, in_hand] : std::exchange(jobs, {})) {
      f.recipients = in_hand.recipients;
      for (const uint32_t index : in_hand.recipients) settled[in_hand.id.value].insert(index);
      f.answer(job, in_hand.id, {Outcome::kSent});
    }
    while (const auto outgoing = f.deliveries->next_delivery()) {
      f.recipients = outgoing->job->recipients;
      for (const uint32_t index : f.recipients) settled[outgoing->message->id.value].insert(index);
      f.answer(outgoing->number, outgoing->message->id, {Outcome::kSent});
    }
    while (const auto outgoing = f.deliveries->next_report()) {
      for (const uint32_t index : outgoing->job->recipients) settled[outgoing->message->id.value].insert(index);
      f.deliveries->report_stored(outgoing->number, f.now);
    }
    f.pass(seconds{20});
  }
  CHECK(f.queue.ledger().messages().empty());
  CHECK(ids.size() == kMessages);
  for (const queue::QueueId id : ids) CHECK(settled[id.value].size() == kRecipients);
}
