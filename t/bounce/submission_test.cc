// What cleanup gets for a message that failed.
#include "bounce/submission.h"

#include <catch2/catch.hpp>

#include "os/file.h"
#include "queue/crc32c.h"
#include "queue/log_format.h"
#include "queue/place.h"

using namespace hikyaku;
using namespace hikyaku::bounce;

namespace {

const Config kConfig{"relay.example", ReportFormat::kMultipart, 1000};
constexpr uint64_t kNonce = 5;

ipc::MakeReport ask() {
  return {.job = 1,
          .id = {42},
          .place = {},
          .arrival = 1'700'000'000'000'000,
          .sender = "sender@example.com",
          .envelope_id = "",
          .recipients = {{.index = 2,
                          .address = "gone@example.net",
                          .original_recipient = "",
                          .status = "5.1.1",
                          .remote_mta = "mx.example.net",
                          .text = "550 5.1.1 No such user",
                          .expired = false,
                          .last_attempt = 1'700'000'100}}};
}

struct OnDisk {
  os::UniqueFd fd;
  queue::Place place;
};

OnDisk on_disk(const std::string& content, bool damage_content = false, bool damage_head = false) {
  queue::Envelope envelope;
  envelope.sender = "sender@example.com";
  envelope.return_content = "HDRS";
  std::string encoded;
  queue::append_envelope(envelope, encoded);
  queue::RecordHeaderBytes head;
  queue::encode_record_header({.nonce = kNonce,
                               .id = {42},
                               .flags = 0,
                               .envelope_length = static_cast<uint32_t>(encoded.size()),
                               .content_length = content.size(),
                               .content_crc = queue::crc32c(content),
                               .durable_before = 0},
                              encoded, head);
  std::string bytes = std::string(head.data(), head.size()) + encoded + content;
  if (damage_content) bytes.back() ^= 1;
  if (damage_head) bytes[30] ^= 1;
  auto fd = os::memory_file("segment", bytes);
  REQUIRE(fd);
  return {std::move(*fd), {1, kNonce, 0, static_cast<uint32_t>(encoded.size()), content.size(), 0}};
}

}  // namespace

TEST_CASE("a report goes from nobody to the sender of the message that failed") {
  const Original original{{}, "Subject: hello\r\n\r\nbody\r\n"};
  const Submission made = make_submission(kConfig, ask(), original, 1'700'000'200'000'000, 0);
  const auto envelope = queue::parse_envelope(made.envelope);
  REQUIRE(envelope);
  CHECK(envelope->sender.empty());
  REQUIRE(envelope->recipients.size() == 1);
  CHECK(envelope->recipients[0].address == "sender@example.com");
  CHECK(envelope->arrival == 1'700'000'200'000'000);
  CHECK(envelope->listener == "bounce");
  CHECK(envelope->report_of == queue::ReportOf{ask().id, {ask().recipients[0].index}});
  CHECK(envelope->protocol.empty());
  CHECK(envelope->client_address.empty());
  CHECK(made.content.find("gone@example.net") != std::string::npos);
  CHECK(made.content.find("550 5.1.1 No such user") != std::string::npos);
  CHECK(made.content.find("Subject: hello") != std::string::npos);
}

TEST_CASE("the diagnostic code is the next hop's reply, without what our log says around it") {
  struct Row {
    const char* logged;
    const char* remote_mta;
    const char* diagnostic;
  };
  const Row rows[] = {
      {"host mx[192.0.2.1] said: 550 5.1.1 No such user (in reply to RCPT TO command)", "mx",
       "Diagnostic-Code: smtp; 550 5.1.1 No such user\r\n"},
      {"host mx[192.0.2.1] said: 550 it] said: no (in reply to x) (in reply to end of DATA command)", "mx",
       "Diagnostic-Code: smtp; 550 it] said: no (in reply to x)\r\n"},
      {"host mx[192.0.2.1] refused to talk to me: 554 5.7.1 Go away", "mx",
       "Diagnostic-Code: smtp; 554 5.7.1 Go away\r\n"},
      {"550 5.1.1 No such user", "mx", "Diagnostic-Code: smtp; 550 5.1.1 No such user\r\n"},
      {"connect to mx[192.0.2.1]:25: Connection refused", "", "connect to mx[192.0.2.1]:25: Connection refused"},
  };
  for (const Row& row : rows) {
    ipc::MakeReport wanted = ask();
    wanted.recipients[0].text = row.logged;
    wanted.recipients[0].remote_mta = row.remote_mta;
    INFO(row.logged);
    CHECK(make_submission(kConfig, wanted, {}, 0, 0).content.find(row.diagnostic) != std::string::npos);
  }
}

TEST_CASE("the flags of a report say what its lines are like") {
  const Original plain{{}, "Subject: a\r\n\r\nbody\r\n"}, dotted{{}, "Subject: a\r\n\r\n.dot\r\n"};
  CHECK((make_submission(kConfig, ask(), plain, 0, 0).flags & queue::kHasDotLine) == 0);
  CHECK((make_submission(kConfig, ask(), dotted, 0, 0).flags & queue::kHasDotLine) != 0);
}

TEST_CASE("a message within the limit is read whole, a larger one only so far that its size shows") {
  const std::string small(1000, 'x'), large(5000, 'x');
  const OnDisk first = on_disk(small), second = on_disk(large);
  const auto whole = read_original(first.fd.get(), -1, {42}, first.place, kConfig.size_limit);
  REQUIRE(whole);
  CHECK(whole->content == small);
  CHECK(whole->envelope.return_content == "HDRS");
  const auto start = read_original(second.fd.get(), -1, {42}, second.place, kConfig.size_limit);
  REQUIRE(start);
  CHECK(start->content == large.substr(0, 1001));
}

TEST_CASE("damaged content is not returned, and a record that is not there is an error for good") {
  const OnDisk content = on_disk("Subject: a\r\n\r\n", true), head = on_disk("Subject: a\r\n\r\n", false, true);
  const auto without = read_original(content.fd.get(), -1, {42}, content.place, kConfig.size_limit);
  REQUIRE(without);
  CHECK(without->content.empty());
  const auto none = read_original(head.fd.get(), -1, {42}, head.place, kConfig.size_limit);
  REQUIRE_FALSE(none);
  CHECK(none.error().permanent);
}
