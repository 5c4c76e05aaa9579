// What qmgr and the log are told of an attempt.
#include "smtp-client/verdict.h"

#include <catch2/catch.hpp>
#include <cerrno>

using namespace hikyaku;
using namespace hikyaku::smtp_client;

namespace {

smtp::DeliveryResult reply(smtp::Outcome outcome, int code, const char* enhanced, const char* text) {
  return {outcome, smtp::Cause::kReply, smtp::Stage::kRcpt, {code, enhanced, text}, false};
}

std::string frame_to(std::string_view address) {
  ipc::Deliver deliver;
  deliver.next_hop_host = "hop.example";
  deliver.sender = "s@example";
  deliver.recipients = {{.index = 7, .address = address, .original_recipient = {}}};
  std::string frame;
  ipc::encode(deliver, frame);
  return frame;
}

std::unique_ptr<Job> job_to(std::string_view address) { return Job::from_frame(frame_to(address), 1, {}); }

}  // namespace

TEST_CASE("a reply becomes outcome, status, host and the words of the log") {
  struct Row {
    smtp::DeliveryResult result;
    Verdict verdict;
  };
  const Row rows[] = {
      {reply(smtp::Outcome::kSent, 250, "2.0.0", "Ok: taken"),
       {ipc::Outcome::kSent, "2.0.0", "hop", "250 2.0.0 Ok: taken"}},
      {reply(smtp::Outcome::kSent, 250, "", "Ok"), {ipc::Outcome::kSent, "2.0.0", "hop", "250 Ok"}},
      {reply(smtp::Outcome::kDeferred, 450, "4.2.0", "Busy"),
       {ipc::Outcome::kDeferred, "4.2.0", "hop",
        "host hop[192.0.2.1] said: 450 4.2.0 Busy (in reply to RCPT TO command)"}},
      {reply(smtp::Outcome::kBounced, 550, "", "No such user"),
       {ipc::Outcome::kBounced, "5.0.0", "hop",
        "host hop[192.0.2.1] said: 550 No such user (in reply to RCPT TO command)"}},
      {{smtp::Outcome::kDeferred, smtp::Cause::kLost, smtp::Stage::kMail, {0, "4.4.2", ""}, false},
       {ipc::Outcome::kDeferred, "4.4.2", "", "lost connection with hop[192.0.2.1] while sending MAIL FROM"}},
  };
  for (const Row& row : rows) {
    const Verdict verdict = verdict_of(row.result, "hop[192.0.2.1]", "hop");
    CHECK(verdict.outcome == row.verdict.outcome);
    CHECK(verdict.status == row.verdict.status);
    CHECK(verdict.remote_mta == row.verdict.remote_mta);
    CHECK(verdict.text == row.verdict.text);
  }
}

TEST_CASE("an enhanced code of another class than the outcome does not leave the house") {
  const Verdict verdict = verdict_of(reply(smtp::Outcome::kDeferred, 452, "5.5.3", "Too many"), "h[192.0.2.1]", "h");
  CHECK(verdict.status == "4.0.0");
}

TEST_CASE("a next hop that cannot be reached defers, with no host that said so") {
  const Verdict verdict = unreachable("hop[192.0.2.1]:25", ECONNREFUSED);
  CHECK(verdict.outcome == ipc::Outcome::kDeferred);
  CHECK(verdict.status == "4.4.1");
  CHECK(verdict.remote_mta.empty());
  CHECK(verdict.text == "connect to hop[192.0.2.1]:25: Connection refused");
}

TEST_CASE("a name that does not exist is final only when it is the recipient's domain") {
  const auto own_domain = job_to("user@hop.EXAMPLE"), relayed = job_to("user@elsewhere.example");
  const util::Error absent{"Name or service not known", true}, silent{"Try again", false};
  CHECK(not_found("hop.example", absent, *own_domain).outcome == ipc::Outcome::kBounced);
  CHECK(not_found("hop.example", absent, *own_domain).status == "5.4.4");
  CHECK(not_found("hop.example", absent, *relayed).outcome == ipc::Outcome::kDeferred);
  CHECK(not_found("hop.example", absent, *relayed).status == "4.3.5");
  CHECK(not_found("hop.example", silent, *own_domain).outcome == ipc::Outcome::kDeferred);
  CHECK(not_found("hop.example", silent, *own_domain).status == "4.4.3");
}

TEST_CASE("a job outlives the frame it came in, and one without recipients is none") {
  std::string frame = frame_to("r@example");
  const auto job = Job::from_frame(frame, 1, {});
  frame.assign(frame.size(), 'X');
  REQUIRE(job);
  CHECK(job->deliver.sender == "s@example");
  CHECK(job->deliver.recipients[0].address == "r@example");

  std::string empty;
  ipc::encode(ipc::Deliver{}, empty);
  CHECK_FALSE(Job::from_frame(empty, 1, {}));
  CHECK_FALSE(Job::from_frame("short", 1, {}));
}
