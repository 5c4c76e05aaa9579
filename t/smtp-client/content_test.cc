// Content is read from a segment, and its end is only reached when it is what was accepted.
#include "smtp-client/content.h"

#include <fcntl.h>

#include <catch2/catch.hpp>

#include "os/file.h"
#include "queue/crc32c.h"
#include "queue/log_format.h"

using namespace hikyaku;
using smtp_client::ContentReader;
using smtp_client::Segments;

namespace {

constexpr uint64_t kNonce = 0x1234;
constexpr uint64_t kOffset = 100;
constexpr uint32_t kSegment = 7;

struct Stored {
  std::string bytes;
  ipc::Deliver deliver;
};

Stored stored(const std::string& content) {
  const std::string envelope = "envelope";
  const queue::RecordHeader header{.nonce = kNonce,
                                   .id = {42},
                                   .flags = 0,
                                   .envelope_length = static_cast<uint32_t>(envelope.size()),
                                   .content_length = content.size(),
                                   .content_crc = queue::crc32c(content),
                                   .durable_before = 0};
  queue::RecordHeaderBytes head;
  queue::encode_record_header(header, envelope, head);
  Stored made;
  made.bytes = std::string(kOffset, '-') + std::string(head.data(), head.size()) + envelope + content + "next record";
  made.deliver.id = {42};
  made.deliver.place = {kSegment, kNonce, kOffset, header.envelope_length, header.content_length, 0};
  return made;
}

void open(Segments& segments, const std::string& bytes) {
  auto fd = os::memory_file("segment", bytes);
  REQUIRE(fd);
  segments.open(kSegment, kNonce, std::move(*fd));
}

// All pieces up to the end, or the error.
util::Result<std::string> read_all(ContentReader& reader) {
  std::string all;
  for (;;) {
    const auto piece = reader.next();
    if (!piece) return std::unexpected(piece.error());
    if (piece->empty()) return all;
    all += *piece;
  }
}

std::string sample(size_t size) {
  std::string content;
  for (size_t i = 0; i < size; ++i) content += static_cast<char>('a' + i % 23);
  return content;
}

}  // namespace

TEST_CASE("content of any size comes out as it was stored") {
  for (const size_t size : {0ul, 1ul, 4096ul, (1ul << 20) - 64, 1ul << 20, (3ul << 20) + 17}) {
    const std::string content = sample(size);
    const Stored message = stored(content);
    Segments segments;
    open(segments, message.bytes);
    ContentReader reader(segments, message.deliver);
    const auto read = read_all(reader);
    INFO(size);
    REQUIRE(read);
    CHECK((*read == content));
  }
}

TEST_CASE("content that fits is one piece, which asking for the end leaves in place") {
  const Stored message = stored("one\r\ntwo\r\n");
  Segments segments;
  open(segments, message.bytes);
  ContentReader reader(segments, message.deliver);
  const auto piece = reader.next();
  REQUIRE(piece);
  CHECK(reader.is_whole(*piece));
  REQUIRE(reader.next());
  CHECK(*piece == "one\r\ntwo\r\n");
}

TEST_CASE("a flipped bit is found before the end, wherever it is") {
  for (const size_t size : {5000ul, 2ul << 20}) {
    const Stored message = stored(sample(size));
    const size_t record = message.bytes.size() - std::string("next record").size();
    for (const size_t at : {kOffset, kOffset + 20, kOffset + 60, kOffset + 70, record - 1}) {
      std::string bytes = message.bytes;
      bytes[at] ^= 1;
      Segments segments;
      open(segments, bytes);
      ContentReader reader(segments, message.deliver);
      const auto read = read_all(reader);
      INFO(size << " bytes, flipped at " << at);
      REQUIRE_FALSE(read);
      CHECK(read.error().text == "queue file damaged at 7:100");
      CHECK(read.error().permanent);
    }
  }
}

TEST_CASE("another message at the place, or a file that ends early, is damage") {
  const Stored message = stored("content\r\n");
  Segments segments;
  ipc::Deliver deliver = message.deliver;

  const auto change = GENERATE(0, 1, 2, 3);
  if (change == 0) deliver.id = {43};
  if (change == 1) deliver.place.offset = 0;
  if (change == 2) deliver.place.content_length = 5;
  if (change == 3) deliver.place.content_length = 500;  // beyond the file
  CAPTURE(change);
  open(segments, message.bytes);
  ContentReader reader(segments, deliver);
  const auto read = read_all(reader);
  REQUIRE_FALSE(read);
  CHECK(read.error().permanent);
  CHECK(read.error().text.starts_with("queue file damaged at 7:"));
}

TEST_CASE("a segment that is not open and a disk that does not read are no damage") {
  for (const size_t size : {5000ul, 2ul << 20}) {
    CAPTURE(size);
    const Stored message = stored(sample(size));
    Segments segments;
    ContentReader of_closed(segments, message.deliver);
    auto read = read_all(of_closed);
    REQUIRE_FALSE(read);
    CHECK(read.error() == util::Error{"queue file 7 is not open", false});

    // A folder can be opened, but not read.
    segments.open(kSegment, kNonce, os::UniqueFd(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
    ContentReader of_unreadable(segments, message.deliver);
    read = read_all(of_unreadable);
    REQUIRE_FALSE(read);
    CHECK(read.error() == util::Error{"cannot read queue file: segment 7, offset 100: read: Is a directory", false});
  }
}

TEST_CASE("a segment counts as open only under the nonce of the place") {
  const Stored message = stored("content\r\n");
  Segments segments;
  CHECK(segments.descriptor(message.deliver.place) == -1);
  open(segments, message.bytes);
  CHECK(segments.descriptor(message.deliver.place) >= 0);
  queue::Place other = message.deliver.place;
  other.nonce = kNonce + 1;
  CHECK(segments.descriptor(other) == -1);
  segments.close(kSegment);
  CHECK(segments.descriptor(message.deliver.place) == -1);
}
