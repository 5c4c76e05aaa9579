// What becomes of a message's header in the four modes, the hop limit and the loop mark.
#include "cleanup/header_policy.h"

#include <catch2/catch.hpp>

#include <string>

using namespace hikyaku::cleanup;

namespace {

HeaderPolicy policy(ReceivedHeader mode) { return {mode, 50, "t0k3n", 102400}; }

ReceivedFacts facts() {
  ReceivedFacts given;
  given.helo = given.client_name = "client.example";
  given.client_address = "192.0.2.1";
  given.our_name = "relay.example";
  given.our_address = "192.0.2.2";
  return given;
}

std::string joined(const HeaderResult& result) {
  std::string content = result.prepend;
  for (const std::string_view piece : result.keep) content += piece;
  return content;
}

// The message after `mode` took it in once.
std::string pass(ReceivedHeader mode, const std::string& content) {
  const HeaderResult result = apply_header_policy(policy(mode), facts(), content);
  REQUIRE_FALSE(result.refusal.has_value());
  return joined(result);
}

std::string received_fields(int count) {
  std::string fields;
  for (int i = 0; i < count; ++i) fields += "Received: from a by b;\r\n Thu, 1 Jan 1970 00:00:00 +0000\r\n";
  return fields;
}

constexpr auto kMessage =
    "Received: from app by mail; Thu, 1 Jan 1970 00:00:00 +0000\r\n"
    "From: a@example.com\r\n"
    "RECEIVED: from inner\r\n\tby outer\r\n;\tx\r\n"
    "Message-Id: <1@example.com>\r\n"
    "Received : from last\r\n by one\r\n"
    "\r\n"
    "Received: in the body\r\n";

}  // namespace

TEST_CASE("our Received goes before an unchanged message (rows 31, 32)") {
  for (const auto mode : {ReceivedHeader::kAbbreviated, ReceivedHeader::kNormal}) {
    const std::string content = kMessage;
    const HeaderResult result = apply_header_policy(policy(mode), facts(), content);
    CHECK(result.prepend == received_header(mode, facts()));
    REQUIRE(result.keep.size() == 1);
    CHECK(result.keep[0].data() == content.data());
    CHECK(result.keep[0].size() == content.size());
    CHECK(result.message_id == "<1@example.com>");
    CHECK(result.hops == 3);
  }
}

TEST_CASE("none leaves the Received fields that are there and adds only the loop mark (row 33; C5)") {
  CHECK(pass(ReceivedHeader::kNone, kMessage) == std::string("X-Hikyaku-Trace: t0k3n 1\r\n") + kMessage);
}

TEST_CASE("strip takes every Received field out of the header, and nothing else (row 34)") {
  CHECK(pass(ReceivedHeader::kStrip, kMessage) ==
        "X-Hikyaku-Trace: t0k3n 1\r\n"
        "From: a@example.com\r\n"
        ";\tx\r\n"
        "Message-Id: <1@example.com>\r\n"
        "\r\n"
        "Received: in the body\r\n");
}

TEST_CASE("strip works on messages without body, end or anything else") {
  CHECK(pass(ReceivedHeader::kStrip, "") == "X-Hikyaku-Trace: t0k3n 1\r\n");
  CHECK(pass(ReceivedHeader::kStrip, "Received: x") == "X-Hikyaku-Trace: t0k3n 1\r\n");
  CHECK(pass(ReceivedHeader::kStrip, "Received: x\r\n y\r\n") == "X-Hikyaku-Trace: t0k3n 1\r\n");
  CHECK(pass(ReceivedHeader::kStrip, "Received: x\r\n\r\n") == "X-Hikyaku-Trace: t0k3n 1\r\n\r\n");
  CHECK(pass(ReceivedHeader::kStrip, "Received-SPF: x\r\n\r\n") ==
        "X-Hikyaku-Trace: t0k3n 1\r\nReceived-SPF: x\r\n\r\n");
}

TEST_CASE("more Received fields than the limit are refused in every mode, counted before they are removed (C5)") {
  for (const auto mode :
       {ReceivedHeader::kAbbreviated, ReceivedHeader::kNormal, ReceivedHeader::kNone, ReceivedHeader::kStrip}) {
    const std::string at_limit = received_fields(50) + "\r\n" + received_fields(9);
    const std::string above = received_fields(51) + "\r\n";
    CHECK_FALSE(apply_header_policy(policy(mode), facts(), at_limit).refusal.has_value());
    const HeaderResult result = apply_header_policy(policy(mode), facts(), above);
    REQUIRE(result.refusal.has_value());
    CHECK(result.refusal->line() == "554 5.4.6 Too many hops: 51 Received fields");
    CHECK(result.hops == 51);
  }
}

TEST_CASE("a loop without Received fields ends after ten passes (C5)") {
  for (const auto mode : {ReceivedHeader::kNone, ReceivedHeader::kStrip}) {
    std::string content = "From: a@example.com\r\n\r\nbody\r\n";
    for (int i = 1; i <= 10; ++i) {
      content = pass(mode, content);
      CHECK(content == "X-Hikyaku-Trace: t0k3n " + std::to_string(i) + "\r\nFrom: a@example.com\r\n\r\nbody\r\n");
    }
    const HeaderResult result = apply_header_policy(policy(mode), facts(), content);
    REQUIRE(result.refusal.has_value());
    CHECK(result.refusal->line() == "554 5.4.6 Too many hops: this message is in a loop");
  }
}

TEST_CASE("other instances' marks stay, our own become one with the highest count (C5)") {
  CHECK(
      pass(ReceivedHeader::kNone,
           "X-Hikyaku-Trace: other 10\r\nx-hikyaku-trace: t0k3n 2\r\nA: b\r\nX-Hikyaku-Trace:\r\n t0k3n\t7\r\n\r\n") ==
      "X-Hikyaku-Trace: t0k3n 8\r\nX-Hikyaku-Trace: other 10\r\nA: b\r\n\r\n");
}

TEST_CASE("a mark with a senseless count is the first pass, one with a huge count is a loop (C5)") {
  for (const char* count : {"", "x", "-3", "1x"}) {
    CHECK(pass(ReceivedHeader::kNone, std::string("X-Hikyaku-Trace: t0k3n ") + count + "\r\n\r\n") ==
          "X-Hikyaku-Trace: t0k3n 2\r\n\r\n");
  }
  const std::string huge = "X-Hikyaku-Trace: t0k3n 99999999999999999999999\r\n\r\n";
  CHECK(apply_header_policy(policy(ReceivedHeader::kStrip), facts(), huge).refusal.has_value());
  CHECK(pass(ReceivedHeader::kNone, "X-Hikyaku-Trace:\r\n\r\n") ==
        "X-Hikyaku-Trace: t0k3n 1\r\nX-Hikyaku-Trace:\r\n\r\n");
}

TEST_CASE("modes that add Received leave a loop mark alone (rows 31, 32)") {
  const std::string content = "X-Hikyaku-Trace: t0k3n 10\r\n\r\n";
  CHECK(pass(ReceivedHeader::kAbbreviated, content) ==
        received_header(ReceivedHeader::kAbbreviated, facts()) + content);
}

TEST_CASE("content that begins with white space never continues our field") {
  for (const auto mode : {ReceivedHeader::kAbbreviated, ReceivedHeader::kStrip}) {
    const std::string content = " evil; continued\r\nReceived: x\r\n\r\nbody\r\n";
    const HeaderResult result = apply_header_policy(policy(mode), facts(), content);
    CHECK(result.prepend.ends_with("\r\n\r\n"));
    CHECK(joined(result) == result.prepend + content);
  }
}

TEST_CASE("the first message id counts, and a message may have none") {
  const auto id_of = [](std::string_view content) {
    return apply_header_policy(policy(ReceivedHeader::kAbbreviated), facts(), content).message_id;
  };
  CHECK(id_of("Message-ID: <a@b>\r\nMessage-ID: <c@d>\r\n\r\n") == "<a@b>");
  CHECK(id_of("A: b\r\n\r\nMessage-ID: <a@b>\r\n") == "");
}

TEST_CASE("a field above header_size_limit is passed on whole and not read, but a Received is counted and removed") {
  HeaderPolicy small = policy(ReceivedHeader::kAbbreviated);
  small.header_size_limit = 40;
  const std::string long_id = "Message-ID: <" + std::string(40, 'm') + "@example.com>\r\n\r\nbody\r\n";
  const HeaderResult kept = apply_header_policy(small, facts(), long_id);
  CHECK(kept.message_id == "");
  CHECK(joined(kept).ends_with(long_id));
  small.hopcount_limit = 1;
  const std::string once = received_fields(1) + "\r\n", twice = received_fields(2) + "\r\n";
  CHECK_FALSE(apply_header_policy(small, facts(), once).refusal.has_value());
  CHECK(apply_header_policy(small, facts(), twice).refusal.has_value());
  small.received_header = ReceivedHeader::kStrip;
  CHECK(joined(apply_header_policy(small, facts(), once)).find("Received") == std::string::npos);
}
