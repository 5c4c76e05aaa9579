// What happens to messages that were in a worker's hand when it died.
#include "t/qmgr/course.h"

using namespace hikyaku;
using namespace hikyaku::qmgr;
using Outcome = ipc::Outcome;

namespace {

struct Dying : Course {
  using Course::Course;

  // The next trial's job, 0 when none may begin.
  uint64_t take_suspect(bool is_report = false) {
    const auto outgoing = deliveries->next_suspect(is_report, turn, now);
    if (!outgoing) return 0;
    recipients = outgoing->job->recipients;
    suspect = outgoing->message->id;
    return outgoing->number;
  }
  void lose(uint64_t job) { deliveries->lost(job, "smtp-client (process 5)", now); }

  Suspects::Monotonic turn{};
  queue::QueueId suspect;
};

}  // namespace

TEST_CASE("what a worker died with is in doubt in the log, and is tried again alone") {
  Dying f;
  const auto first = f.admit(envelope()), second = f.admit(envelope());
  const uint64_t one = f.take(), two = f.take();
  f.lose(one);
  f.lose(two);
  CHECK(f.has_logged(queue::to_text(first) + ": delivery in doubt: smtp-client (process 5) died; may be sent more"));
  CHECK(f.take() == 0);
  const auto fresh = f.admit(envelope());
  const uint64_t trial = f.take_suspect();
  REQUIRE(trial != 0);
  CHECK(f.suspect == first);
  CHECK(f.take_suspect() == 0);
  const uint64_t other = f.take();  // new mail is not kept waiting
  REQUIRE(other != 0);
  f.answer(other, fresh, {Outcome::kSent});
  f.answer(trial, first, {Outcome::kSent});
  CHECK(f.find(first) == nullptr);
  CHECK(f.take_suspect() != 0);
  CHECK(f.suspect == second);
}

TEST_CASE("a suspect that is answered for is cleared, whatever the answer") {
  Dying f;
  const auto id = f.admit(envelope());
  f.lose(f.take());
  CHECK(f.find(id)->deaths == 1);
  f.answer(f.take_suspect(), id, {Outcome::kDeferred});
  CHECK(f.find(id)->deaths == 0);
  CHECK(f.find(id)->recipients[0].attempts == 1);
  f.pass(seconds{100});
  CHECK(f.take_suspect() == 0);
  CHECK(f.take() != 0);
}

TEST_CASE("a message whose delivery ended three workers is held with the reason, and moves when it is released") {
  Dying f;
  const auto id = f.admit(envelope());
  f.lose(f.take());
  f.lose(f.take_suspect());
  CHECK_FALSE(f.find(id)->held);
  f.lose(f.take_suspect());
  REQUIRE(f.find(id)->held);
  CHECK(f.find(id)->hold_reason == "its delivery ended smtp-client three times");
  CHECK(f.has_logged(queue::to_text(id) + ": held: its delivery ended smtp-client three times"));
  CHECK(f.take_suspect() == 0);
  CHECK(f.take() == 0);
  SECTION("also after a restart of qmgr") {
    f.restart();
    CHECK(f.find(id)->hold_reason == "its delivery ended smtp-client three times");
    REQUIRE(f.queue.ledger().sync());
    f.restart();
    CHECK(f.find(id)->hold_reason == "its delivery ended smtp-client three times");
  }
  f.act(ipc::Verb::kRelease, id);
  CHECK(f.find(id)->hold_reason.empty());
  CHECK(f.find(id)->deaths == 0);
  const uint64_t job = f.take();
  REQUIRE(job != 0);
  f.answer(job, id, {Outcome::kSent});
  CHECK(f.find(id) == nullptr);
}

TEST_CASE("a message that is held for its deaths and expired is reported") {
  Dying f;
  const auto id = f.admit(envelope());
  f.lose(f.take());
  f.lose(f.take_suspect());
  f.lose(f.take_suspect());
  f.act(ipc::Verb::kExpire, id);
  CHECK(f.find(id)->deaths == 0);
  const uint64_t job = f.take_report();
  REQUIRE(job != 0);
  f.deliveries->report_stored(job, f.now);
  CHECK(f.find(id) == nullptr);
}

TEST_CASE("a death counts once for a message with several jobs, and against nobody else on trial") {
  Config config = relay_config();
  config.recipients_each = 1;
  Dying f(config);
  const auto id = f.admit(envelope(3));
  const uint64_t one = f.take(), two = f.take();
  f.lose(one);
  f.lose(two);
  CHECK(f.find(id)->deaths == 1);
  CHECK(f.take() == 0);  // its third recipient waits for the trial too
  const uint64_t trial = f.take_suspect();
  const auto bystander = f.admit(envelope());
  const uint64_t beside = f.take();
  f.lose(beside);
  f.lose(trial);
  CHECK(f.find(bystander)->deaths == 1);
  CHECK(f.find(id)->deaths == 2);
}

TEST_CASE("when one job of a suspect is answered for, its other recipients go on among the others") {
  Config config = relay_config();
  config.recipients_each = 1;
  Dying f(config);
  const auto id = f.admit(envelope(3));
  f.lose(f.take());
  f.answer(f.take_suspect(), id, {Outcome::kSent});
  size_t jobs = 0;
  while (const uint64_t job = f.take()) {
    ++jobs;
    f.answer(job, id, {Outcome::kSent});
  }
  CHECK(jobs == 2);
  CHECK(f.find(id) == nullptr);
}

TEST_CASE("a trial that was not begun by the worker is begun again") {
  Dying f;
  const auto id = f.admit(envelope());
  f.lose(f.take());
  f.deliveries->returned(f.take_suspect(), f.now);
  CHECK(f.find(id)->deaths == 1);
  CHECK(f.take() == 0);
  CHECK(f.take_suspect() != 0);
}

TEST_CASE("a suspect that is deleted or held has no trial") {
  Dying f;
  const auto deleted = f.admit(envelope()), held = f.admit(envelope());
  const uint64_t one = f.take(), two = f.take();
  f.lose(one);
  f.lose(two);
  f.act(ipc::Verb::kDelete, deleted);
  f.act(ipc::Verb::kHold, held);
  CHECK(f.take_suspect() == 0);
  CHECK(f.find(held)->hold_reason.empty());
  f.act(ipc::Verb::kRelease, held);
  CHECK(f.take() != 0);
}

TEST_CASE("a report that bounce dies of is tried alone and held in the same way, and made after the release") {
  Dying f;
  const auto id = f.admit(envelope());
  f.answer(f.take(), id, {Outcome::kBounced});
  f.lose(f.take_report());
  CHECK(f.take_report() == 0);
  f.lose(f.take_suspect(true));
  f.lose(f.take_suspect(true));
  REQUIRE(f.find(id)->held);
  CHECK(f.find(id)->hold_reason == "its report ended bounce three times");
  CHECK(f.take_report() == 0);
  f.restart();
  CHECK(f.take_report() == 0);
  f.act(ipc::Verb::kRelease, id);
  const uint64_t job = f.take_report();
  REQUIRE(job != 0);
  f.deliveries->report_stored(job, f.now);
  CHECK(f.find(id) == nullptr);
}

TEST_CASE("a report that a worker of before has in hand is not asked for again") {
  Course f;
  const auto id = f.admit(envelope(2));
  f.answer(f.take(), id, {Outcome::kBounced});
  f.take_report();
  f.restart();
  REQUIRE(f.deliveries->adopt({id, {0, 1, 99}, 7}, true));
  CHECK(f.take_report() == 0);
  SECTION("and its end ends the message") {
    f.deliveries->report_stored(7, f.now);
    CHECK(f.find(id) == nullptr);
  }
  SECTION("and is due again when it is given back") {
    f.deliveries->returned(7, f.now);
    CHECK(f.take_report() != 0);
  }
}
