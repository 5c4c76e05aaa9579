// The course of messages: attempts, retries, reports.
#include "t/qmgr/course.h"

using namespace hikyaku;
using namespace hikyaku::qmgr;
using Outcome = ipc::Outcome;

TEST_CASE("a message that is delivered to all is gone, also after a restart") {
  Course f;
  const auto id = f.admit(envelope(2));
  CHECK(f.has_logged("from=<sender@example.com>, size=100, nrcpt=2 (queue active)"));
  const uint64_t job = f.take();
  REQUIRE(job != 0);
  CHECK(f.recipients == std::vector<uint32_t>{0, 1});  // one transaction
  CHECK(f.find(id)->count(Step::kInHand) == 2);
  CHECK(f.take() == 0);
  f.answer(job, id, {Outcome::kSent});
  CHECK(f.find(id) == nullptr);
  CHECK(f.has_logged(queue::to_text(id) + ": removed"));
  f.restart();
  CHECK(f.find(id) == nullptr);
  CHECK(f.take() == 0);
}

TEST_CASE("a message without recipients is gone at once") {
  Course f;
  CHECK(f.find(f.admit(envelope(0))) == nullptr);
}

TEST_CASE("a transaction has no more recipients than the limit, and each next hop has its own") {
  Config config = mx_config();
  config.recipients_each = 2;
  Course f(config);
  queue::Envelope mixed = envelope(0);
  for (const char* address : {"a@one.example", "b@two.example", "c@ONE.example", "d@one.example"})
    mixed.recipients.push_back({address, "", 0});
  f.admit(mixed);
  std::vector<std::vector<uint32_t>> jobs;
  while (f.take() != 0) jobs.push_back(f.recipients);
  std::sort(jobs.begin(), jobs.end());
  CHECK(jobs == std::vector<std::vector<uint32_t>>{{0, 2}, {1}, {3}});
}

TEST_CASE("a deferred message waits for its time, is tried again, and sent (rows 41, 43)") {
  Course f;
  const auto id = f.admit(envelope());
  f.answer(f.take(), id, {Outcome::kDeferred});
  CHECK(f.find(id)->count(Step::kWaiting) == 1);
  CHECK(f.find(id)->recipients[0].next_attempt == kArrival + 100);
  f.pass(seconds{99});
  CHECK(f.take() == 0);
  f.pass(seconds{1});
  const auto again = f.deliveries->next_delivery();
  REQUIRE(again.has_value());
  CHECK(again->job->lane == Lane::kRetry);
  f.answer(again->number, id, {Outcome::kSent});
  CHECK(f.find(id) == nullptr);
}

TEST_CASE("a retry whose time comes while qmgr is down is made after the restart, with its attempts counted on") {
  Course f;
  const auto id = f.admit(envelope());
  f.answer(f.take(), id, {Outcome::kDeferred});
  f.now += seconds{150};
  f.restart();
  CHECK(f.take() == 0);  // not before it was woken
  f.deliveries->wake(f.now);
  f.answer(f.take(), id, {Outcome::kDeferred});
  CHECK(f.find(id)->recipients[0].attempts == 2);
  CHECK(f.find(id)->recipients[0].next_attempt == kArrival + 250);
}

TEST_CASE("recipients of one transaction go their own ways") {
  Course f;
  const auto id = f.admit(envelope(3));
  f.answer(f.take(), id, {Outcome::kSent, Outcome::kDeferred, Outcome::kBounced});
  REQUIRE(f.find(id) != nullptr);
  CHECK(f.find(id)->recipients[0].step == Step::kDone);
  CHECK(f.find(id)->recipients[1].step == Step::kWaiting);
  // Nothing is on its way, so the sender is told of the one that failed.
  const uint64_t report = f.take_report();
  REQUIRE(report != 0);
  CHECK(f.recipients == std::vector<uint32_t>{2});
  f.deliveries->report_stored(report, f.now);
  CHECK(f.find(id)->recipients[2].step == Step::kDone);
  f.pass(seconds{100});
  f.answer(f.take(), id, {Outcome::kSent});
  CHECK(f.recipients == std::vector<uint32_t>{1});
  CHECK(f.find(id) == nullptr);
}

TEST_CASE("the sender is told of all failures of a message at once, when nothing of it is on its way") {
  Course f(mx_config());
  queue::Envelope mixed = envelope(0);
  for (const char* address : {"a@one.example", "b@two.example"}) mixed.recipients.push_back({address, "", 0});
  const auto id = f.admit(mixed);
  const uint64_t first = f.take(), second = f.take();
  f.recipients = {0};
  f.answer(first, id, {Outcome::kBounced});
  CHECK(f.take_report() == 0);
  f.recipients = {1};
  f.answer(second, id, {Outcome::kBounced});
  CHECK(f.take_report() != 0);
  CHECK(f.recipients == std::vector<uint32_t>{0, 1});
  CHECK(f.take_report() == 0);
}

TEST_CASE("when the retry period is over the message is given up, and its sender is told (rows 36, 40)") {
  Course f;
  const auto id = f.admit(envelope());
  int attempts = 0;
  while (const uint64_t job = f.take()) {
    ++attempts;
    f.answer(job, id, {Outcome::kDeferred});
    f.pass(seconds{100});
  }
  CHECK(attempts == 11);  // the first, and one every 100 s up to 1000 s
  CHECK(f.has_logged("status=expired (retry timeout, last reply: said so)"));
  REQUIRE(f.find(id) != nullptr);
  CHECK(f.find(id)->recipients[0].expired);
  const uint64_t report = f.take_report();
  REQUIRE(report != 0);
  CHECK(f.find(id)->count(Step::kReporting) == 1);
  f.deliveries->report_stored(report, f.now);
  CHECK(f.find(id) == nullptr);
}

TEST_CASE("nobody is told of a message from the null sender, or when NOTIFY says so (RFC 5321 4.5.5, RFC 3461)") {
  Course f;
  struct Row {
    const char* sender;
    uint8_t notify;
    bool told;
  };
  for (const Row& row :
       {Row{"", 0, false}, Row{"", queue::kNotifyFailure, false}, Row{"sender@example.com", queue::kNotifyNever, false},
        Row{"sender@example.com", queue::kNotifySuccess | queue::kNotifyDelay, false},
        Row{"sender@example.com", queue::kNotifyFailure | queue::kNotifyDelay, true},
        Row{"sender@example.com", 0, true}}) {
    CAPTURE(row.sender, static_cast<int>(row.notify));
    queue::Envelope what = envelope(1, row.sender);
    what.recipients[0].notify = row.notify;
    const auto id = f.admit(what);
    f.answer(f.take(), id, {Outcome::kBounced});
    CHECK((f.take_report() != 0) == row.told);
    CHECK((f.find(id) != nullptr) == row.told);
  }
}

TEST_CASE("of recipients that failed only those that want it are in the report") {
  Course f;
  queue::Envelope what = envelope(3);
  what.recipients[1].notify = queue::kNotifyNever;
  const auto id = f.admit(what);
  f.answer(f.take(), id, {Outcome::kBounced});
  CHECK(f.find(id)->recipients[1].step == Step::kDone);
  CHECK(f.take_report() != 0);
  CHECK(f.recipients == std::vector<uint32_t>{0, 2});
}

TEST_CASE("of success the sender is told who asked for that, unless the next hop does it (RFC 3461 5.2.2)") {
  struct Row {
    const char* sender;
    uint8_t notify;
    bool passed_on, told;
  };
  for (const Row& row :
       {Row{"sender@example.com", queue::kNotifySuccess, false, true},
        Row{"sender@example.com", queue::kNotifySuccess | queue::kNotifyFailure, false, true},
        Row{"sender@example.com", queue::kNotifySuccess, true, false}, Row{"", queue::kNotifySuccess, false, false},
        Row{"sender@example.com", queue::kNotifyFailure, false, false},
        Row{"sender@example.com", queue::kNotifyNever, false, false}, Row{"sender@example.com", 0, false, false}}) {
    CAPTURE(row.sender, static_cast<int>(row.notify), row.passed_on);
    Course f;
    queue::Envelope what = envelope(2, row.sender);
    what.recipients[1].notify = row.notify;
    const auto id = f.admit(what);
    f.answer(f.take(), id, {Outcome::kSent}, row.passed_on);
    // It is not delivered again, whatever dies now, and the sender is told once.
    f.restart();
    CHECK(f.take() == 0);
    CHECK((f.find(id) != nullptr) == row.told);
    const uint64_t report = f.take_report();
    CHECK((report != 0) == row.told);
    if (!row.told) continue;
    CHECK(f.recipients == std::vector<uint32_t>{1});
    CHECK(f.find(id)->recipients[1].is_relayed());
    f.deliveries->report_stored(report, f.now);
    CHECK(f.find(id) == nullptr);
  }
}

TEST_CASE("a report that could not be made is made again, and one that was lost with qmgr too") {
  Course f;
  const auto id = f.admit(envelope());
  f.answer(f.take(), id, {Outcome::kBounced});
  const uint64_t first = f.take_report();
  f.deliveries->returned(first, f.now);
  const uint64_t second = f.take_report();
  CHECK((second != 0 && second != first));
  f.deliveries->report_stored(first, f.now);  // an answer to a job that ended long ago
  CHECK(f.find(id) != nullptr);
  f.restart();
  const uint64_t third = f.take_report();
  REQUIRE(third != 0);
  f.deliveries->report_stored(third, f.now);
  CHECK(f.find(id) == nullptr);
  f.restart();
  CHECK(f.take_report() == 0);
}

TEST_CASE("a recipient without a usable domain fails at once, the others go on") {
  Course f(mx_config());
  queue::Envelope what = envelope(1);
  what.recipients.push_back({"nowhere", "", 0});
  const auto id = f.admit(what);
  CHECK(f.has_logged("to=<nowhere>, relay=none"));
  CHECK(f.find(id)->recipients[1].step == Step::kReportDue);
  f.answer(f.take(), id, {Outcome::kSent});
  CHECK(f.take_report() != 0);
  CHECK(f.recipients == std::vector<uint32_t>{1});
}

TEST_CASE("an attempt that was not made is not counted, and goes first again") {
  Course f;
  const auto first = f.admit(envelope());
  f.admit(envelope());
  const uint64_t job = f.take();
  f.deliveries->returned(job, f.now);
  CHECK(f.find(first)->count(Step::kReady) == 1);
  const auto again = f.deliveries->next_delivery();
  REQUIRE(again.has_value());
  CHECK(again->message->id == first);
  CHECK(again->number != job);
  CHECK(again->message->recipients[0].attempts == 0);
  f.deliveries->returned(job, f.now);  // told twice: the second word says nothing
  CHECK(f.find(first)->count(Step::kInHand) == 1);
}

TEST_CASE("an answer for a job that is not known counts by its message, once") {
  Course f;
  const auto id = f.admit(envelope(2));
  f.take();
  f.recipients = {0};
  f.answer(0, id, {Outcome::kSent});
  CHECK(f.find(id)->recipients[0].step == Step::kDone);
  f.answer(0, id, {Outcome::kDeferred});  // the same again, differently
  CHECK(f.find(id)->recipients[0].step == Step::kDone);
  f.recipients = {7};
  f.answer(0, id, {Outcome::kSent});
  CHECK(f.find(id) != nullptr);
}

TEST_CASE("a recipient that an answer leaves out is ready again, not forgotten") {
  Course f;
  const auto id = f.admit(envelope(3));
  const uint64_t job = f.take();
  f.recipients = {0, 2};
  f.answer(job, id, {Outcome::kSent});
  CHECK(f.find(id)->recipients[1].step == Step::kReady);
  f.answer(f.take(), id, {Outcome::kSent});
  CHECK(f.recipients == std::vector<uint32_t>{1});
  CHECK(f.find(id) == nullptr);
}
