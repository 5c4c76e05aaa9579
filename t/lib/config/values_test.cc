// Durations, sizes, addresses: what is read, what is refused, and that what is printed reads back.
#include "config/values.h"

#include <catch2/catch.hpp>

namespace hikyaku::config {
namespace {

TEST_CASE("a duration is a whole number with a unit, or with the parameter's own") {
  struct Case {
    std::string_view text;
    Unit unit;
    int64_t milliseconds;
  };
  const Case cases[] = {
      {"360ms", Unit::kSeconds, 360},
      {"360", Unit::kMilliseconds, 360},
      {"480s", Unit::kHours, 480'000},
      {"-240s", Unit::kSeconds, -240'000},
      {"-240", Unit::kSeconds, -240'000},
      {"15m", Unit::kSeconds, 900'000},
      {"2h", Unit::kSeconds, 7'200'000},
      {"1d", Unit::kSeconds, 86'400'000},
      {"1w", Unit::kSeconds, 604'800'000},
      {"4", Unit::kHours, 14'400'000},
      {"0", Unit::kWeeks, 0},
  };
  for (const Case& c : cases) {
    INFO(c.text);
    REQUIRE(parse_duration(c.text, c.unit) == Duration(c.milliseconds));
  }
  for (const std::string_view text :
       {"", "s", "ms", "10 s", "10x", "1.5h", "+5", "--5", "5sm", "9223372036854775807w"}) {
    INFO(text);
    REQUIRE_FALSE(parse_duration(text, Unit::kSeconds));
  }
}

TEST_CASE("a size is a number of bytes, or of powers of 1024 of them") {
  REQUIRE(parse_size("512") == 512u);
  REQUIRE(parse_size("20480k") == 20480u * 1024);
  REQUIRE(parse_size("20M") == 20480u * 1024);
  REQUIRE(parse_size("1g") == 1024u * 1024 * 1024);
  for (const std::string_view text : {"", "k", "-1", "1t", "1kb", "1 k", "99999999999g"}) {
    INFO(text);
    REQUIRE_FALSE(parse_size(text));
  }
}

TEST_CASE("an address has a host, which may be empty, and a port") {
  REQUIRE(parse_endpoint(":10025") == Endpoint{"", 10025});
  REQUIRE(parse_endpoint("127.0.0.1:25") == Endpoint{"127.0.0.1", 25});
  REQUIRE(parse_endpoint("[::1]:25") == Endpoint{"::1", 25});
  REQUIRE(parse_endpoint("[127.0.0.1]:25") == Endpoint{"127.0.0.1", 25});
  REQUIRE(parse_endpoint("mail.example.com:587") == Endpoint{"mail.example.com", 587});
  for (const std::string_view text : {"", "25", "host", "host:", "host:0", "host:65536", "host:smtp", "::1:25", "[::1]",
                                      "[]:25", "[::1:25", "::1]:25", "a/b:25"}) {
    INFO(text);
    REQUIRE_FALSE(parse_endpoint(text));
  }
}

TEST_CASE("addresses are listed with commas or white space") {
  const std::vector<Endpoint> both = {{"127.0.0.1", 25}, {"::1", 25}};
  REQUIRE(parse_endpoints("127.0.0.1:25, [::1]:25") == both);
  REQUIRE(parse_endpoints(" 127.0.0.1:25\t[::1]:25,") == both);
  REQUIRE(parse_endpoints("")->empty());
  REQUIRE(parse_endpoints("127.0.0.1:25 ::1").error().text.find("'::1'") != std::string::npos);
}

TEST_CASE("what is printed reads back as the same value") {
  for (const int64_t count : {0, 1, 360, 1000, -240'000, 90'000, 86'400'000, 604'800'000, 86'400'001}) {
    const std::string text = format_duration(Duration(count));
    INFO(text);
    REQUIRE(parse_duration(text, Unit::kHours) == Duration(count));
  }
  for (const uint64_t bytes : {0ul, 1ul, 1024ul, 1025ul, 20480ul * 1024})
    REQUIRE(parse_size(format_size(bytes)) == bytes);
  for (const std::string_view text : {":10025", "[::1]:25", "host:1"}) {
    REQUIRE(format_endpoint(*parse_endpoint(text)) == text);
  }
  REQUIRE(format_duration(Duration(86'400'000)) == "1d");
  REQUIRE(format_size(20480 * 1024) == "20480k");
}

}  // namespace
}  // namespace hikyaku::config
