// The encoder of quoted-printable: what it writes, and that it can be read back.
#include "mime/quoted_printable.h"

#include <catch2/catch.hpp>
#include <random>

#include "t/lib/mime/mail_reader.h"

using namespace hikyaku::mime;

namespace {

std::string encode(std::string_view data, size_t piece = std::string_view::npos) {
  QuotedPrintableEncoder encoder;
  std::string out;
  for (; !data.empty(); data.remove_prefix(std::min(piece, data.size()))) encoder.append(data.substr(0, piece), out);
  encoder.end(out);
  return out;
}

}  // namespace

TEST_CASE("octets that cannot go as they are become =XX") {
  const struct {
    std::string data, encoded;
  } rows[] = {
      {"", ""},
      {"plain text.\r\n", "plain text.\r\n"},
      {"caf\xE9", "caf=E9"},
      {"1+1=2", "1+1=3D2"},
      {std::string("\0\x1B\x7F~", 4), "=00=1B=7F~"},
      {"tab\tinside and space", "tab\tinside and space"},
      {"space \r\ntab\t\r\n  \r\nend ", "space=20\r\ntab=09\r\n =20\r\nend=20"},
      {"\r\n\r\n", "\r\n\r\n"},
      {"bare\rcr, bare\nlf, \r", "bare=0Dcr, bare=0Alf,=20=0D"},
      {" \r\r\n", "=20=0D\r\n"},
      {"--b\r\n- a-b\r\n", "=2D-b\r\n=2D a-b\r\n"},
      {".\r\nFrom x\r\n", ".\r\nFrom x\r\n"},
  };
  for (const auto& row : rows)
    for (size_t piece = 1; piece < 10; ++piece) {
      CAPTURE(row.data, piece);
      CHECK(encode(row.data, piece) == row.encoded);
    }
}

TEST_CASE("a line is broken softly where it would be longer than 76") {
  CHECK(encode(std::string(75, 'x') + "\r\n") == std::string(75, 'x') + "\r\n");
  CHECK(encode(std::string(77, 'x')) == std::string(75, 'x') + "=\r\nxx");
  CHECK(encode(std::string(73, 'x') + "\xE9") == std::string(73, 'x') + "=\r\n=E9");
  CHECK(encode(std::string(72, 'x') + "\xE9y") == std::string(72, 'x') + "=E9=\r\ny");
  // A boundary in the middle of a line does not come to stand at the front of one.
  CHECK(encode(std::string(75, 'x') + "--b") == std::string(75, 'x') + "=\r\n=2D-b");
}

TEST_CASE("what was encoded can be decoded, and every line keeps the rules") {
  std::mt19937 random(1);
  constexpr std::string_view kOctets = "\r\n \t=-a.\xE9";
  for (int round = 0; round < 3000; ++round) {
    std::string data;
    const size_t size = random() % 300;
    const bool dense = round % 2;
    while (data.size() < size) data += dense ? kOctets[random() % kOctets.size()] : static_cast<char>(random() % 256);
    const std::string encoded = encode(data);
    REQUIRE(encode(data, 1 + random() % 7) == encoded);
    REQUIRE(decode_quoted_printable(encoded) == data);
    for (const std::string_view line : lines_of(encoded)) {
      REQUIRE(line.size() <= 76);
      REQUIRE_FALSE((line.ends_with(' ') || line.ends_with('\t') || line.starts_with('-')));
      REQUIRE(std::ranges::all_of(line, [](char c) { return (c >= ' ' && c <= '~') || c == '\t'; }));
    }
  }
}
