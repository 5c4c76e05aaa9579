// Checksums, ids and envelopes.
#include <algorithm>
#include <catch2/catch.hpp>

#include "queue/crc32c.h"
#include "queue/envelope.h"
#include "queue/little_endian.h"
#include "queue/log_format.h"
#include "queue/place.h"
#include "queue/queue_id.h"

namespace hikyaku::queue {
namespace {

Envelope full_envelope() {
  Envelope e;
  e.sender = "a@example.com";
  e.recipients = {
      {"b@example.net", "rfc822;b+40x@example.net", kNotifySuccess | kNotifyDelay}, {"c@example.net", "", 0}, {}};
  e.arrival = 1'795'557'600'123'456;
  e.client_name = "client.example.com";
  e.client_address = "2001:db8::1";
  e.helo = "[192.0.2.1]";
  e.protocol = "ESMTPSA";
  e.listener = "submission";
  e.arrival_port = 587;
  e.auth_user = "user@example.com";
  e.auth_method = "PLAIN";
  e.original_sender = "old@example.com";
  e.envelope_id = "QQ314159";
  e.report_of = ReportOf{QueueId{77}, {0, 3, 4000}};
  e.return_content = "HDRS";
  e.eight_bit = true;
  e.smtputf8 = true;
  return e;
}

}  // namespace

TEST_CASE("crc32c gives the published values, by table and by instruction") {
  std::string ascending, descending;
  for (int i = 0; i < 32; ++i) ascending += static_cast<char>(i), descending += static_cast<char>(31 - i);
  const struct {
    std::string bytes;
    uint32_t crc;
  } rows[] = {
      // RFC 3720, appendix B.4
      {std::string(32, '\0'), 0x8a9136aa},
      {std::string(32, '\xff'), 0x62a8ab43},
      {ascending, 0x46dd794e},
      {descending, 0x113fdb5c},
      {"123456789", 0xe3069283},
      {"", 0},
  };
  for (const auto& row : rows) {
    CHECK(crc32c(row.bytes) == row.crc);
    CHECK(extend_crc32c_by_table(0, row.bytes) == row.crc);
    if (has_crc32c_instruction()) CHECK(extend_crc32c_by_instruction(0, row.bytes) == row.crc);
  }
}

TEST_CASE("the one bit whose change gives a checksum is found, and none where there is none") {
  const std::string text = "any text will do";
  for (size_t bit = 0; bit < text.size() * 8; ++bit) {
    std::string changed = text;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    CHECK(find_changed_bit(changed, crc32c(text)) == bit);
  }
  CHECK_FALSE(find_changed_bit(text, crc32c(text)));
  CHECK_FALSE(find_changed_bit(text, crc32c("another text")));
  CHECK_FALSE(find_changed_bit("", 1));
}

TEST_CASE("crc32c of a text in pieces is that of the whole, wherever it is cut") {
  std::string text;
  for (int i = 0; i < 100; ++i) text += static_cast<char>(i * 37);
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    const auto head = std::string_view(text).substr(0, cut), tail = std::string_view(text).substr(cut);
    CHECK(extend_crc32c(crc32c(head), tail) == crc32c(text));
    CHECK(extend_crc32c_by_table(extend_crc32c_by_table(0, head), tail) == crc32c(text));
  }
}

TEST_CASE("a queue id as text has 11 characters without vowels, and sorts as the ids do") {
  CHECK(to_text(QueueId{0}) == "00000000000");
  CHECK(to_text(QueueId{30}) == "0000000000Z");
  CHECK(to_text(QueueId{31}) == "00000000010");
  const uint64_t now = 1'795'557'600'000'000;
  for (const uint64_t step : {1ull, 30ull, 31ull, 1'000'000ull, 86'400'000'000ull}) {
    CHECK(to_text(QueueId{now}) < to_text(QueueId{now + step}));
  }
  const std::string text = to_text(QueueId{now});
  CHECK(text.size() == 11);
  CHECK(text.find_first_of("AEIOUaeiou") == std::string::npos);
}

TEST_CASE("a queue id is read back, and no other text is one") {
  for (const uint64_t value : {uint64_t{0}, uint64_t{1}, uint64_t{1'795'557'600'000'000}, UINT64_MAX - 1, UINT64_MAX}) {
    CHECK(parse_queue_id(to_text(QueueId{value})) == QueueId{value});
  }
  const std::string beyond = to_text(QueueId{UINT64_MAX});
  std::string overflow = beyond;
  overflow.back() = 'Z';
  REQUIRE(overflow > beyond);
  for (const std::string& text :
       {std::string(), std::string("0"), std::string("0000000000"), std::string("000000000000"),
        std::string("0000000000a"), std::string("0000000000A"), std::string("0000000000b"), std::string("0000000000 "),
        std::string("-0000000001"), overflow, beyond + "0", std::string("0000000000\0", 11)}) {
    INFO(text);
    CHECK(!parse_queue_id(text));
  }
}

TEST_CASE("an envelope is read back as it was written") {
  for (const Envelope& envelope : {full_envelope(), Envelope{}}) {
    std::string bytes;
    append_envelope(envelope, bytes);
    CHECK(parse_envelope(bytes) == envelope);
  }
  std::string empty;
  append_envelope({}, empty);
  CHECK(empty.empty());
}

TEST_CASE("an envelope cut short at any byte is an error or a shorter envelope, never more") {
  std::string bytes;
  append_envelope(full_envelope(), bytes);
  size_t errors = 0;
  for (size_t length = 0; length < bytes.size(); ++length) {
    const std::string cut = bytes.substr(0, length);  // a copy, so that reading beyond it is noticed
    const auto parsed = parse_envelope(cut);
    if (!parsed) {
      ++errors;
      CHECK(parsed.error().permanent);
    } else {
      CHECK(!(*parsed == full_envelope()));
    }
  }
  CHECK(errors > bytes.size() / 2);
}

TEST_CASE("an envelope with any bit changed is read without harm") {
  std::string bytes;
  append_envelope(full_envelope(), bytes);
  for (size_t i = 0; i < bytes.size() * 8; ++i) {
    std::string changed = bytes;
    changed[i / 8] = static_cast<char>(changed[i / 8] ^ (1 << (i % 8)));
    if (const auto parsed = parse_envelope(changed)) CHECK(parsed->recipients.size() <= bytes.size());
  }
}

TEST_CASE("fields that a later version adds to an envelope are skipped") {
  using namespace std::string_literals;
  const std::string later = "\xc8\x03\0\0\0new"s;
  std::string bytes = later;
  append_envelope(full_envelope(), bytes);
  bytes += later;
  CHECK(parse_envelope(bytes) == full_envelope());
}

TEST_CASE("an envelope's number of the wrong size is an error") {
  using namespace std::string_literals;
  CHECK(!parse_envelope("\x03\x04\0\0\0abcd"s));              // arrival of 4 bytes
  CHECK(!parse_envelope("\x0f\x01\0\0\0\x02"s));              // a flag that is 2
  CHECK(!parse_envelope("\x02\x07\0\0\0\x03\x02\0\0\0ab"s));  // NOTIFY of 2 bytes
  CHECK(
      !parse_envelope("\x02\x06\0\0\0\x01\xff\xff\xff\xff"
                      "a"s));  // longer than the recipient
}

TEST_CASE("a segment's header is read back, and any changed bit is noticed") {
  SegmentHeader header{7, 0x1122334455667788, 99, {{6, 5000, true}, {3, 4096, false}}};
  const std::string bytes = encode_segment_header(header);
  REQUIRE(bytes.size() == kSegmentHeaderSize);
  CHECK(parse_segment_header(bytes) == header);
  for (size_t i = 0; i < 200 * 8; ++i) {
    std::string changed = bytes;
    changed[i / 8] = static_cast<char>(changed[i / 8] ^ (1 << (i % 8)));
    CHECK(!parse_segment_header(changed));
  }
  CHECK(!parse_segment_header(bytes.substr(0, kSegmentHeaderSize - 1)));
  header.seals.assign(kMaxSeals, {1, 2, false});
  CHECK(parse_segment_header(encode_segment_header(header)) == header);
}

TEST_CASE("any one changed bit of a segment's header is found, and two are not taken for one") {
  const SegmentHeader header{7, 0x1122334455667788, 99, {{6, 5000, true}, {3, 4096, false}}};
  std::string bytes = encode_segment_header(header);
  const auto flip = [&](size_t bit) { bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8))); };
  for (size_t bit = 0; bit < kSegmentHeaderSize * 8; ++bit) {
    flip(bit);
    const FoundSegmentHeader found = find_segment_header(bytes, 7);
    const bool repaired = found.header == header && found.changed_byte == bit / 8 && !found.problem.empty();
    if (!repaired) FAIL("bit " << bit << " is not repaired");
    flip(bit);
  }
  for (size_t bit = 0; bit < kSegmentHeaderSize * 8; bit += 7) {
    const size_t other = (bit * 31 + 5) % (kSegmentHeaderSize * 8);
    if (other == bit) continue;
    flip(bit);
    flip(other);
    const FoundSegmentHeader found = find_segment_header(bytes, 7);
    if (found.header || found.other_version) FAIL("bits " << bit << " and " << other << " are taken for one");
    flip(bit);
    flip(other);
  }
  const FoundSegmentHeader whole = find_segment_header(bytes, 7);
  CHECK((whole.header == header && whole.problem.empty() && !whole.changed_byte));
  const FoundSegmentHeader strange = find_segment_header(bytes, 8);
  CHECK((!strange.header && strange.problem == "its header says segment 7"));
  for (const size_t length : {size_t{0}, size_t{1}, size_t{15}, size_t{16}, size_t{40}, kSegmentHeaderSize - 1})
    CHECK(!find_segment_header(std::string_view(bytes).substr(0, length), 7).header);
}

namespace {

std::string header_of_version(uint32_t version) {
  std::string bytes = encode_segment_header({7, 8, 9, {}});
  store(&bytes[12], version);
  store(&bytes[8], crc32c(std::string_view(bytes).substr(12)));
  return bytes;
}

}  // namespace

TEST_CASE(
    "a segment of a newer version is refused by that name, also with one bit changed; a changed version is damage") {
  const std::string refusal = "segment of version 2, this program reads version 1";
  std::string newer = header_of_version(2);
  CHECK(parse_segment_header(newer).error().text == refusal);
  CHECK((find_segment_header(newer, 7).other_version && find_segment_header(newer, 7).problem == refusal));
  for (const size_t byte : {0, 8, 12, 16, 4095}) {
    newer = header_of_version(2);
    newer[byte] = static_cast<char>(newer[byte] ^ 1);
    const FoundSegmentHeader found = find_segment_header(newer, 7);
    CHECK((found.other_version && found.problem == refusal && !found.header));
  }
  for (const int bit : {0, 1, 7}) {
    std::string damaged = header_of_version(1);
    damaged[12] = static_cast<char>(damaged[12] ^ (1 << bit));
    const FoundSegmentHeader found = find_segment_header(damaged, 7);
    CHECK((found.header == SegmentHeader{7, 8, 9, {}} && found.changed_byte == 12 && !found.other_version));
  }
  std::string two = header_of_version(1);
  two[12] = 2;  // two bits: what it was cannot be told
  CHECK((!find_segment_header(two, 7).header && !find_segment_header(two, 7).other_version));
}

TEST_CASE("a record's header is read back, and any changed bit of it or its envelope is noticed") {
  const std::string envelope = "envelope";
  const RecordHeader header{5, QueueId{77}, kHasDotLine, 8, 1ull << 40, 0xabcdef01, 4096};
  RecordHeaderBytes raw;
  encode_record_header(header, envelope, raw);
  const std::string bytes = std::string(raw.data(), raw.size()) + envelope;
  const auto whole = [&](std::string_view b) {
    return parse_record_header(b, 5) && is_head_whole(b.substr(0, kRecordHeaderSize), b.substr(kRecordHeaderSize));
  };
  CHECK(parse_record_header(bytes, 5) == header);
  CHECK(whole(bytes));
  CHECK(!parse_record_header(bytes, 6));
  CHECK(bytes.substr(kRecordStartOffset).starts_with(record_start(5)));
  for (size_t i = 0; i < bytes.size() * 8; ++i) {
    std::string changed = bytes;
    changed[i / 8] = static_cast<char>(changed[i / 8] ^ (1 << (i % 8)));
    CHECK(!whole(changed));
  }
}

}  // namespace hikyaku::queue
