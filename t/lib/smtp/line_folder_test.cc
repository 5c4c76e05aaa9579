// Lines that are too long are broken, and nothing else changes.
#include "smtp/line_folder.h"

#include <catch2/catch.hpp>
#include <random>

using namespace hikyaku;

namespace {

std::string fold(std::string_view content, size_t limit, size_t piece = std::string_view::npos) {
  smtp::LineFolder folder(limit);
  std::string out;
  for (; !content.empty(); content.remove_prefix(std::min(piece, content.size())))
    folder.append(content.substr(0, piece), out);
  folder.end(out);
  return out;
}

}  // namespace

TEST_CASE("a line longer than the limit goes on behind CRLF and a space") {
  const struct {
    std::string_view content;
    size_t limit;
    std::string_view folded;
  } rows[] = {
      {"", 5, ""},
      {"12345\r\n", 5, "12345\r\n"},
      {"123456\r\n", 5, "12345\r\n 6\r\n"},
      {"1234567890\r\n12345\r\n123456", 5, "12345\r\n 6789\r\n 0\r\n12345\r\n12345\r\n 6"},
      {"12345.6789.\r\n", 5, "12345\r\n .678\r\n 9.\r\n"},
      {"12345\r\r\n", 5, "12345\r\n \r\r\n"},
      {"12345\r", 5, "12345\r\n \r"},
      {"1234\r6\n", 5, "1234\r\r\n 6\n"},
      {"12345\n123456\n", 5, "12345\n12345\r\n 6\n"},
      {"\r\n\r\n", 5, "\r\n\r\n"},
      {"123\r\n", 2, "12\r\n 3\r\n"},
      {"123\r\n", 1, "12\r\n 3\r\n"},
      // A character of UTF-8 stays whole where it can.
      {"1234\xC3\xA9\r\n", 5, "1234\r\n \xC3\xA9\r\n"},
      {"123\xC3\xA9\r\n", 5, "123\xC3\xA9\r\n"},
      {"12\xE9\xA3\x9B\xE8\x84\x9A", 5, "12\xE9\xA3\x9B\r\n \xE8\x84\x9A"},
      {"1234\xF0\x9F\x98\x80\xC3", 6, "1234\r\n \xF0\x9F\x98\x80\xC3"},
      {"\xE9\xA3\x9B\xE8\x84\x9A", 2, "\xE9\xA3\r\n \x9B\r\n \xE8\r\n \x84\r\n \x9A"},
      {"1234\xE9\xE9\xE9\r\n", 5, "1234\xE9\r\n \xE9\xE9\r\n"},
      {"\x80\x80\x80\x80\x80\x80\x80", 5, "\x80\x80\x80\x80\x80\r\n \x80\x80"},
  };
  for (const auto& row : rows)
    for (size_t piece = 1; piece < 9; ++piece) {
      CAPTURE(row.content, row.limit, piece);
      CHECK(fold(row.content, row.limit, piece) == row.folded);
    }
}

TEST_CASE("no line is longer than the limit, and what was put in can be taken out") {
  std::mt19937 random(5);
  for (int round = 0; round < 2000; ++round) {
    const size_t limit = 2 + random() % 20;
    std::string content;
    constexpr std::string_view kOctets = "...\xE9\xA3\x9B\xC3\xF0";
    for (size_t left = random() % 20; left > 0; --left) {
      for (size_t length = random() % 60; length > 0; --length) content += kOctets[random() % kOctets.size()];
      content += "\r\n";
    }
    const std::string folded = fold(content, limit, 1 + random() % 30);
    REQUIRE(folded == fold(content, limit));
    std::string unfolded = folded;
    for (size_t at; (at = unfolded.find("\r\n ")) != unfolded.npos;) unfolded.erase(at, 3);
    REQUIRE(unfolded == content);
    for (size_t at = 0; at < folded.size(); at = folded.find("\r\n", at) + 2)
      REQUIRE(folded.find("\r\n", at) - at <= limit);
  }
}
