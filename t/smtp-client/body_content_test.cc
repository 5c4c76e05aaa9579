// Content whose greater part stands in a file of its own.
#include <catch2/catch.hpp>

#include "os/file.h"
#include "queue/crc32c.h"
#include "queue/log_format.h"
#include "smtp-client/content.h"

using namespace hikyaku;
using smtp_client::ContentReader;
using smtp_client::Segments;

namespace {

constexpr uint64_t kNonce = 0x1234;

struct Big {
  std::string head = "Subject: big\r\n\r\n";
  std::string body;
  std::string record;
  ipc::Deliver deliver;
};

Big big(size_t size) {
  Big made;
  while (made.body.size() < size) made.body += static_cast<char>('a' + made.body.size() % 23);
  const std::string envelope = "envelope";
  const std::string content = queue::encode_body_reference({size, queue::crc32c(made.body)}) + made.head;
  const queue::RecordHeader header{.nonce = kNonce,
                                   .id = {42},
                                   .flags = queue::kHasBody,
                                   .envelope_length = static_cast<uint32_t>(envelope.size()),
                                   .content_length = content.size(),
                                   .content_crc = queue::crc32c(content),
                                   .durable_before = 0};
  queue::RecordHeaderBytes bytes;
  queue::encode_record_header(header, envelope, bytes);
  made.record = std::string(bytes.data(), bytes.size()) + envelope + content;
  made.deliver.id = {42};
  made.deliver.place = {7, kNonce, 0, header.envelope_length, header.content_length, queue::kHasBody, size};
  return made;
}

util::Result<std::string> read_all(const Big& message) {
  Segments segments;
  auto segment = os::memory_file("segment", message.record);
  auto body = os::memory_file("body", message.body);
  REQUIRE((segment && body));
  segments.open(7, kNonce, std::move(*segment));
  ContentReader reader(segments, message.deliver, body->get());
  std::string all;
  for (;;) {
    const auto piece = reader.next();
    if (!piece) return std::unexpected(piece.error());
    if (piece->empty()) return all;
    CHECK_FALSE(reader.is_whole(*piece));
    all += *piece;
  }
}

}  // namespace

TEST_CASE("the head in the segment and the body in its file come out as one content") {
  for (const size_t size : {1ul, 255ul << 10, 256ul << 10, (256ul << 10) + 1, (3ul << 20) + 17}) {
    CAPTURE(size);
    const Big message = big(size);
    const auto read = read_all(message);
    REQUIRE(read);
    CHECK((*read == message.head + message.body));
  }
}

TEST_CASE("a flipped bit in the head, the reference or the body is found before the end") {
  const Big message = big(600'000);
  for (size_t at = 56 + 8; at < message.record.size(); at += 5) {
    CAPTURE(at);
    Big changed = message;
    changed.record[at] = static_cast<char>(changed.record[at] ^ 1);
    const auto read = read_all(changed);
    REQUIRE_FALSE(read);
    CHECK(read.error().permanent);
  }
  for (const size_t at : {0ul, 300'000ul, 599'999ul}) {
    CAPTURE(at);
    Big changed = message;
    changed.body[at] = static_cast<char>(changed.body[at] ^ 1);
    const auto read = read_all(changed);
    REQUIRE_FALSE(read);
    CHECK(read.error().text.starts_with("queue file damaged: body-"));
    CHECK(read.error().permanent);
  }
}

TEST_CASE("a body that ends early is damage, and one that is longer than it was is not read beyond") {
  Big message = big(300'000);
  message.body += "more";
  CHECK(read_all(message));
  message.body.resize(299'999);
  CHECK(read_all(message).error().permanent);
}

TEST_CASE("a place that tells another length than the record's reference is another message's") {
  Big message = big(1000);
  message.deliver.place.body_length = 999;
  CHECK(read_all(message).error().permanent);
}
