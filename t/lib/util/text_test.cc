// Questions about text: ASCII only, and what is shown of a stranger's bytes.
#include "util/text.h"

#include <catch2/catch.hpp>

using namespace hikyaku::util;

TEST_CASE("letters are compared without case in ASCII only") {
  CHECK(to_lower("MiXeD-09[@`{") == "mixed-09[@`{");
  CHECK(to_lower("\xC3\x84") == "\xC3\x84");
  CHECK(iequals("RCPT", "rcpt"));
  CHECK_FALSE(iequals("RCPT", "rcp"));
  CHECK_FALSE(iequals("\xC3\x84", "\xC3\xA4"));
  CHECK_FALSE(iequals("@", "`"));  // 32 apart, as letters are
  CHECK(istarts_with("Mail From:", "MAIL FROM:"));
  CHECK_FALSE(istarts_with("MAIL", "MAIL FROM:"));
  CHECK(istarts_with("x", ""));
}

TEST_CASE("an octet above 127 is found wherever it stands") {
  CHECK(is_ascii(""));
  for (size_t size = 1; size < 80; ++size)
    for (size_t at = 0; at < size; ++at) {
      std::string text(size, '\x7F');
      CHECK(is_ascii(text));
      text[at] = '\x80';
      CHECK_FALSE(is_ascii(text));
    }
}

TEST_CASE("white space is taken from both ends only") {
  CHECK(trim(" \t a b \r\n") == "a b");
  CHECK(trim(" \r\n\t ").empty());
  CHECK(trim("").empty());
  CHECK(trim("\va\f") == "\va\f");  // no white space of main.cf
}

TEST_CASE("lists are cut at any separator, and empty pieces are dropped") {
  using Pieces = std::vector<std::string_view>;
  CHECK(split("a, b,\tc\n d ", ", \t\r\n") == Pieces{"a", "b", "c", "d"});
  CHECK(split(", ,", ", ").empty());
  CHECK(split("", ",").empty());
  CHECK(split("one", ",") == Pieces{"one"});
  CHECK(split("a,,b", ",") == Pieces{"a", "b"});
}

TEST_CASE("a number is decimal, unsigned, whole, and fits 64 bits") {
  CHECK(parse_number("0") == 0);
  CHECK(parse_number("0042") == 42);
  CHECK(parse_number("18446744073709551615") == UINT64_MAX);
  for (const char* text : {"", " ", "18446744073709551616", "-1", "+1", " 1", "1 ", "1x", "0x10", "1.5", "1e3"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_number(text).has_value());
  }
  CHECK_FALSE(parse_number(std::string_view("1\0", 2)).has_value());
}

TEST_CASE("the distance of two words counts inserted, deleted, replaced and swapped letters") {
  struct Row {
    const char *a, *b;
    size_t distance;
  };
  const Row rows[] = {{"", "", 0},       {"", "abc", 3},      {"abc", "", 3},          {"abc", "abc", 0},
                      {"abc", "abd", 1}, {"abc", "ab", 1},    {"abc", "abxc", 1},      {"abc", "acb", 1},
                      {"ab", "ba", 1},   {"abcd", "badc", 2}, {"kitten", "sitting", 3}};
  for (const Row& row : rows) {
    CAPTURE(row.a, row.b);
    CHECK(edit_distance(row.a, row.b) == row.distance);
    CHECK(edit_distance(row.b, row.a) == row.distance);
  }
}

TEST_CASE("printable text and valid UTF-8 are logged as they are") {
  for (const char* text : {"", "user@example.com", "a b \"c\" <d>", "\xC3\xA4\xC3\xB6", "\xE2\x82\xAC", "\xED\x9F\xBF",
                           "\xEE\x80\x80", "\xF0\x9F\x93\xA7", "\xF4\x8F\xBF\xBF", "\xC2\xA0"}) {
    CAPTURE(text);
    CHECK(escape_for_log(text) == text);
  }
}

TEST_CASE("bytes that could break a log line or steer a terminal are shown in octal") {
  struct Row {
    std::string_view text, shown;
  };
  using namespace std::string_view_literals;
  const Row rows[] = {{"a\nb\r", "a\\012b\\015"},
                      {"\0"sv, "\\000"},
                      {"\t\x1B[2J\x7F", "\\011\\033[2J\\177"},
                      {"\\012", "\\134012"},
                      {"\xC2\x85", "\\302\\205"},           // C1: next line
                      {"\xC2\x9B", "\\302\\233"},           // C1: CSI
                      {"\x80", "\\200"},                    // no first byte
                      {"\xC0\x8A", "\\300\\212"},           // overlong line feed
                      {"\xC1\xBF", "\\301\\277"},           // overlong
                      {"\xE0\x80\x8A", "\\340\\200\\212"},  // overlong line feed
                      {"\xED\xA0\x80", "\\355\\240\\200"},  // surrogate
                      {"\xF0\x80\x80\x8A", "\\360\\200\\200\\212"},
                      {"\xF4\x90\x80\x80", "\\364\\220\\200\\200"},  // beyond U+10FFFF
                      {"\xF5", "\\365"},
                      {"\xFF\xFE", "\\377\\376"},
                      {"\xE2\x82", "\\342\\202"},  // cut short
                      {"\xE2\x82x", "\\342\\202x"},
                      {"\xC3\n", "\\303\\012"}};
  for (const Row& row : rows) CHECK(escape_for_log(row.text) == row.shown);
}

TEST_CASE("UTF-8 is known from other bytes") {
  for (const char* good : {"", "a", "\xC3\xBC", "\xE9\xA3\x9B\xE8\x84\x9A", "\xF0\x9F\x98\x80"}) CHECK(is_utf8(good));
  for (const char* bad : {"\xC3", "\xFC", "\xC2\x85", "\xED\xA0\x80", "\xC0\x80", "\xF5\x80\x80\x80"})
    CHECK_FALSE(is_utf8(bad));
}

TEST_CASE("whatever two bytes come, a log line stays one line of valid text") {
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const std::string text{static_cast<char>(first), static_cast<char>(second)};
      const std::string shown = escape_for_log(text);
      for (const char c : shown) {
        const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
        if (control) FAIL("a control character for " << first << " " << second);
      }
      if (escape_for_log(shown).find("\\2") != std::string::npos) {
        // What is shown is printable, so only its own backslashes change when it is shown once more.
        std::string twice;
        for (const char c : shown) twice += c == '\\' ? std::string("\\134") : std::string(1, c);
        if (escape_for_log(shown) != twice) FAIL("not printable for " << first << " " << second);
      }
    }
  }
  SUCCEED("all pairs of bytes");
}

TEST_CASE("the end of a text is compared without case, and nothing is its end but what it ends with") {
  CHECK(iends_with("mail.LocalHost", ".localhost"));
  CHECK(iends_with("a", ""));
  CHECK_FALSE(iends_with("localhost", ".localhost"));
  CHECK_FALSE(iends_with("localhost.", "localhost"));
}
