// The index's keys and values as bytes.
#include "queue/index_format.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "queue/crc32c.h"
#include "queue/little_endian.h"

namespace hikyaku::queue {
namespace {

RestingMessage two_domains() {
  RestingMessage message;
  message.id = QueueId{0x0102030405060708};
  message.place = {7, 0x1122334455667788, 4096, 321, 100000, kHasDotLine | kEightBit};
  message.arrival = 1'790'000'000'123'456;
  message.group = 200;
  message.sender = "sender@example.com";
  message.recipients = 3;
  message.common = {.step = RestStep::kWaiting,
                    .attempts = 3,
                    .next_attempt = 1'790'000'900,
                    .last_attempt = 1'790'000'100,
                    .domain = "example.net",
                    .enhanced_code = "4.4.1",
                    .reply = "connect to mx.example.net[192.0.2.1]:25: Connection refused",
                    .remote_mta = ""};
  message.differing = {{2, {.step = RestStep::kWaiting, .next_attempt = 1'790'000'500, .domain = "example.org"}}};
  return message;
}

template <class Value, class Parse>
void check_cut(const std::string& bytes, const Value& value, Parse parse) {
  CHECK((parse(bytes) == std::optional<Value>(value)));
  for (size_t length = 0; length < bytes.size(); ++length) CHECK_FALSE(parse(bytes.substr(0, length)).has_value());
  CHECK_FALSE(parse(bytes + "x").has_value());
}

std::string sorted_ready(const std::vector<ReadyKey>& keys) {
  std::vector<std::string> bytes;
  for (const ReadyKey& key : keys) bytes.push_back(ready_key(key));
  return std::ranges::is_sorted(bytes) ? "sorted" : "not sorted";
}

}  // namespace

TEST_CASE("a message's value gives all of the message but its differing recipients, which follow") {
  const RestingMessage message = two_domains();
  const std::string value = message_value(message);
  const auto parsed = parse_message_value(message.id, value);
  REQUIRE(parsed);
  CHECK(parsed->has_differing);
  RestingMessage expected = message;
  expected.differing.clear();
  CHECK((parsed->message == expected));
  const DifferingRecipient recipient{7, message.common};
  check_cut(recipient_value(message.id, recipient), message.common,
            [&](std::string_view bytes) { return parse_recipient_value(message.id, 7, bytes); });
  for (size_t length = 0; length < value.size(); ++length)
    CHECK_FALSE(parse_message_value(message.id, value.substr(0, length)).has_value());
  CHECK_FALSE(parse_message_value(message.id, value + "x").has_value());
}

TEST_CASE("a message's value tells the length of its body, when it has one") {
  RestingMessage message = two_domains();
  const size_t without = message_value(message).size();
  message.place.flags |= kHasBody;
  message.place.body_length = 768 << 20;
  const std::string value = message_value(message);
  CHECK(value.size() == without + sizeof(uint64_t));
  const auto parsed = parse_message_value(message.id, value);
  REQUIRE(parsed);
  CHECK(parsed->message.place == message.place);
}

TEST_CASE("the other values are read as they were written, and not when they are cut or longer") {
  check_cut(domain_value({1, 2, 3}), DomainRow{1, 2, 3}, parse_domain_value);
  check_cut(segment_value({5, 6}), SegmentRow{5, 6}, parse_segment_value);
  const IndexPosition position{{9, 1234567890123}, 4, 99};
  check_cut(position_value(position), position, parse_position_value);
}

TEST_CASE("a changed bit makes a message's or a recipient's state no value, and so does another key") {
  const RestingMessage message = two_domains();
  REQUIRE_FALSE(message.differing.empty());
  const DifferingRecipient& recipient = message.differing[0];
  std::string whole = message_value(message), differing = recipient_value(message.id, recipient);
  CHECK((parse_recipient_value(message.id, recipient.index, differing) == recipient.rest));
  CHECK_FALSE(parse_message_value(QueueId{message.id.value ^ 1}, whole).has_value());
  CHECK_FALSE(parse_recipient_value(message.id, recipient.index ^ 1, differing).has_value());
  CHECK_FALSE(parse_recipient_value(QueueId{message.id.value ^ 1}, recipient.index, differing).has_value());
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    whole[bit / 8] = static_cast<char>(whole[bit / 8] ^ (1 << bit % 8));
    CHECK_FALSE(parse_message_value(message.id, whole).has_value());
    whole[bit / 8] = static_cast<char>(whole[bit / 8] ^ (1 << bit % 8));
  }
  for (size_t bit = 0; bit < 8 * differing.size(); ++bit) {
    differing[bit / 8] = static_cast<char>(differing[bit / 8] ^ (1 << bit % 8));
    CHECK_FALSE(parse_recipient_value(message.id, recipient.index, differing).has_value());
    differing[bit / 8] = static_cast<char>(differing[bit / 8] ^ (1 << bit % 8));
  }
}

TEST_CASE("keys are read as they were written, and nothing else is a key") {
  const ReadyKey ready{"example.net", ReadyLane::kRetry, 200, 1'790'000'000, QueueId{77}};
  check_cut(ready_key(ready), ready, parse_ready_key);
  CHECK((parse_message_key(message_key(QueueId{5})) == QueueId{5}));
  CHECK_FALSE(parse_message_key("1234567"));
  CHECK((parse_recipient_key(recipient_key(QueueId{5}, 9), QueueId{5}) == 9u));
  CHECK_FALSE(parse_recipient_key(recipient_key(QueueId{5}, 9), QueueId{6}));
  CHECK((parse_segment_key(segment_key(3)) == 3u));
  CHECK((parse_wake_key(wake_key({12, "example.net"})) == WakeKey{12, "example.net"}));
  CHECK_FALSE(parse_wake_key("123"));
  CHECK_FALSE(parse_wake_key(std::string("\0\0\0\1x\0y", 7)));
  CHECK_FALSE(parse_wake_key("1234" + std::string(kMostIndexedText + 1, 'd')));
  CHECK((parse_domain_key(domain_key("example.net")) == "example.net"));
  for (const char* key : {"", "example.net"}) CHECK_FALSE(parse_domain_key(key));
}

TEST_CASE("keys sort as what they stand for does") {
  CHECK(message_key(QueueId{255}) < message_key(QueueId{256}));
  CHECK(recipient_key(QueueId{1}, 70000) < recipient_key(QueueId{2}, 0));
  CHECK(wake_key({255, "z"}) < wake_key({256, "a"}));
  CHECK(segment_key(255) < segment_key(65536));
  CHECK(sorted_ready({{"a", ReadyLane::kFirst, 0, 9, QueueId{9}},
                      {"a", ReadyLane::kFirst, 1, 255, QueueId{9}},
                      {"a", ReadyLane::kFirst, 1, 256, QueueId{1}},
                      {"a", ReadyLane::kFirst, 1, 256, QueueId{256}},
                      {"a", ReadyLane::kRetry, 0, 1, QueueId{1}},
                      {"a.example", ReadyLane::kFirst, 0, 1, QueueId{1}},
                      {"b", ReadyLane::kFirst, 0, 1, QueueId{1}}}) == "sorted");
}

TEST_CASE("a message waits once for each domain, from when the first of its recipients there is due") {
  RestingMessage message = two_domains();
  CHECK((ready_keys(message) ==
         std::vector<ReadyKey>{{"example.net", ReadyLane::kRetry, 200, 1'790'000'900, message.id},
                               {"example.org", ReadyLane::kFirst, 200, 1'790'000'500, message.id}}));
  message.differing[0].rest.domain = "example.net";
  CHECK((ready_keys(message) ==
         std::vector<ReadyKey>{{"example.net", ReadyLane::kFirst, 200, 1'790'000'500, message.id}}));
  message.differing[0].rest.step = RestStep::kDone;
  CHECK(ready_keys(message).size() == 1);
  message.recipients = 1;  // so that no recipient is as `common` says
  CHECK(ready_keys(message).empty());
}

TEST_CASE("what is held or only to be reported waits for nothing, and reports have their lane") {
  RestingMessage message = two_domains();
  message.held = true;
  CHECK(ready_keys(message).empty());
  message = two_domains();
  message.differing.clear();
  message.common.step = RestStep::kReportDue;
  CHECK(ready_keys(message).empty());
  message.common.step = RestStep::kWaiting;
  message.sender = "";
  CHECK(ready_keys(message)[0].lane == ReadyLane::kReport);
}

TEST_CASE("what is too long is cut, between two characters") {
  CHECK(cut_text("abcdef", 3) == "abc");
  CHECK(cut_text("ab\xc3\xa9", 3) == "ab");
  CHECK(cut_text("\xf0\x9f\x93\xa7", 3).empty());
  RestingMessage message = two_domains();
  message.common.reply = std::string(100000, 'r');
  message.common.domain = std::string(100000, 'd');
  message.sender = std::string(100000, 's');
  const auto parsed = parse_message_value(message.id, message_value(message));
  REQUIRE(parsed);
  CHECK(parsed->message.common.reply == std::string(kMostIndexedReply, 'r'));
  CHECK(parsed->message.sender == std::string(kMostIndexedText, 's'));
  CHECK((ready_keys(message)[0].domain == std::string(kMostIndexedText, 'd')));
  CHECK(ready_key(ready_keys(message)[0]).size() <= 511);  // LMDB takes no longer key
}

TEST_CASE("a text that is longer than we write one makes a value no value, although its checksum is right") {
  const DifferingRecipient recipient{7, two_domains().common};
  const QueueId id{5};
  const std::string good = recipient_value(id, recipient);
  const size_t reply_at = good.find("connect to") - sizeof(uint16_t);
  const auto with_reply = [&](size_t length) {
    std::string value = good.substr(0, reply_at);
    append_number(value, static_cast<uint16_t>(length));
    value.append(length, 'r');
    append_number(value, uint16_t{0});  // no remote_mta
    append_number(value, extend_crc32c(crc32c(recipient_key(id, recipient.index)), value));
    return value;
  };
  CHECK(parse_recipient_value(id, recipient.index, with_reply(kMostIndexedReply)));
  CHECK_FALSE(parse_recipient_value(id, recipient.index, with_reply(kMostIndexedReply + 1)));
}

TEST_CASE("a zero byte in a domain makes no other domain's key") {
  RestingMessage message = two_domains();
  message.common.domain = std::string("example.net\0\1\1evil", 18);
  CHECK((parse_ready_key(ready_key(ready_keys(message)[0]))->domain == "example.net"));
  CHECK(domain_key(message.common.domain) == domain_key("example.net"));
}

TEST_CASE("times that do not fit are the first or the last that do") {
  CHECK(kept_seconds(-5) == 0);
  CHECK(kept_seconds(1'790'000'000) == 1'790'000'000);
  CHECK(kept_seconds(INT64_MAX) == UINT32_MAX);
}

}  // namespace hikyaku::queue
