// Next hops: the forms of relayhost, and recipients' own domains.
#include "smtp/route.h"

#include <catch2/catch.hpp>

using namespace hikyaku::smtp;

TEST_CASE("relayhost is read in all its forms (rows 91, 126)") {
  struct Row {
    const char* text;
    NextHop hop;
  };
  const Row rows[] = {
      {"[smtp.example.com]:587", {"smtp.example.com", 587, true}},
      {"[smtp.example.com]", {"smtp.example.com", 25, true}},
      {"example.com", {"example.com", 25, false}},
      {"Example.COM.", {"example.com", 25, false}},
      {" example.com:2525 ", {"example.com", 2525, false}},
      {"example.com:submission", {"example.com", 587, false}},
      {"[relay]:smtp", {"relay", 25, true}},
      {"localhost", {"localhost", 25, false}},
      {"192.0.2.1", {"192.0.2.1", 25, true}},
      {"192.0.2.1:10025", {"192.0.2.1", 10025, true}},
      {"[192.0.2.1]:10025", {"192.0.2.1", 10025, true}},
      {"[::1]:25", {"::1", 25, true}},
      {"[::1]", {"::1", 25, true}},
      {"[ipv6:2001:DB8::1]", {"2001:db8::1", 25, true}},
      {"[IPv6:2001:db8::1]:65535", {"2001:db8::1", 65535, true}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const auto hop = parse_relayhost(row.text);
    REQUIRE(hop.has_value());
    REQUIRE(hop->has_value());
    CHECK(**hop == row.hop);
    CHECK(parse_relayhost(to_text(row.hop)).value() == row.hop);
  }
}

TEST_CASE("no relayhost is no error") {
  CHECK(parse_relayhost("").value() == std::nullopt);
  CHECK(parse_relayhost(" \t").value() == std::nullopt);
}

TEST_CASE("nonsense in relayhost is an error that quotes it") {
  const char* rows[] = {"[",
                        "[]",
                        "[]:25",
                        ":25",
                        "[host",
                        "[host]25",
                        "[host]:",
                        "host:",
                        "host:0",
                        "host:65536",
                        "host:-1",
                        "host:2x",
                        "::1",
                        "::1:25",
                        "a b",
                        "a..b",
                        ".a",
                        "-a.example",
                        "192.0.2.300",
                        "[192.0.2]",
                        "[::g]",
                        "[IPv6:1.2.3.4]",
                        "smtp:[host]",
                        "[a]b]:25",
                        "host:25:26",
                        "a,b",
                        "[ipv6:]",
                        "host:+25",
                        "user@example.com"};
  for (const char* text : rows) {
    CAPTURE(text);
    const auto hop = parse_relayhost(text);
    REQUIRE_FALSE(hop.has_value());
    CHECK(hop.error().permanent);
    CHECK(hop.error().text.find(text) != std::string::npos);
  }
  CHECK_FALSE(parse_relayhost(std::string(64, 'a')).has_value());
  CHECK_FALSE(parse_relayhost(std::string_view("[127.0.0.1\0]", 12)).has_value());
}

TEST_CASE("without a relay host mail goes to the recipient's domain") {
  struct Row {
    const char* recipient;
    NextHop hop;
  };
  const Row rows[] = {
      {"user@example.com", {"example.com", 25, false}},
      {"user@Example.COM", {"example.com", 25, false}},
      {"\"a@b\"@example.com", {"example.com", 25, false}},
      {"user@b\xc3\xbc"
       "cher.example",
       {"b\xc3\xbc"
        "cher.example",
        25, false}},
      {"user@[192.0.2.1]", {"192.0.2.1", 25, true}},
      {"user@[IPv6:2001:db8::1]", {"2001:db8::1", 25, true}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.recipient);
    const auto hop = next_hop(std::nullopt, row.recipient);
    REQUIRE(hop.has_value());
    CHECK(*hop == row.hop);
  }
}

TEST_CASE("a recipient without a usable domain is refused for good") {
  for (const char* recipient : {"", "user", "user@", "user@[]", "user@[192.0.2.1", "user@[example.com]", "user@a..b",
                                "user@192.0.2.1", "user@a b", "user@[192.0.2.1]:25"}) {
    CAPTURE(recipient);
    const auto hop = next_hop(std::nullopt, recipient);
    REQUIRE_FALSE(hop.has_value());
    CHECK(hop.error().permanent);
    CHECK(hop.error().text.starts_with("5.1.3 "));
  }
}

TEST_CASE("a relay host takes all mail, whatever the recipient's domain") {
  const NextHop relay{"smtp.example.com", 587, true};
  CHECK(next_hop(relay, "user@example.net").value() == relay);
  CHECK(next_hop(relay, "user").value() == relay);
}
