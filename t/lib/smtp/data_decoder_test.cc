// The content behind DATA: one end only, and one reading only of what comes out.
#include "smtp/data_decoder.h"

#include <catch2/catch.hpp>

#include "smtp/dot_stuffer.h"

using namespace hikyaku;
using smtp::DataDecoder;

namespace {

struct Decoded {
  std::string content;
  std::string rest;  // behind the end
  bool done = false;
  uint64_t size = 0;
  bool dot_line = false;
  bool eight_bit = false;
  bool long_line = false;
  bool over_limit = false;
  bool operator==(const Decoded&) const = default;
};

Decoded decode_in_pieces(std::string_view wire, size_t piece, uint64_t limit) {
  DataDecoder decoder;
  decoder.start(limit);
  Decoded result;
  while (!wire.empty() && !result.done) {
    const std::string_view bytes = wire.substr(0, piece);
    const DataDecoder::Step step = decoder.decode(bytes, result.content);
    wire.remove_prefix(step.used);
    result.done = step.done;
    if (!step.done) CHECK(step.used == bytes.size());
  }
  result.rest = wire;
  result.size = decoder.size();
  result.dot_line = decoder.has_dot_line();
  result.eight_bit = decoder.eight_bit();
  result.long_line = decoder.has_long_line();
  result.over_limit = decoder.over_limit();
  return result;
}

// The same whole, in any two pieces, and one byte at a time.
Decoded decode(std::string_view wire, uint64_t limit = 0) {
  const Decoded whole = decode_in_pieces(wire, std::string_view::npos, limit);
  for (size_t piece = 1; piece < std::min<size_t>(wire.size(), 40); ++piece) {
    CAPTURE(piece);
    Decoded other = decode_in_pieces(wire, piece, limit);
    if (whole.over_limit) other.content = whole.content;  // nobody looks at it
    CHECK(other == whole);
  }
  return whole;
}

std::string stuffed(std::string_view content, size_t piece) {
  smtp::DotStuffer stuffer;
  std::string wire;
  for (; !content.empty(); content.remove_prefix(std::min(piece, content.size())))
    stuffer.append(content.substr(0, piece), wire);
  return wire.append(stuffer.end());
}

struct Row {
  std::string wire;
  std::string content;
  bool dot_line;
};

}  // namespace

TEST_CASE("content ends at CRLF.CRLF, or at .CRLF at its start") {
  const Row rows[] = {
      {".\r\n", "", false},
      {"\r\n.\r\n", "\r\n", false},
      {"a\r\n.\r\n", "a\r\n", false},
      {"a\r\n\r\nb\r\n.\r\n", "a\r\n\r\nb\r\n", false},
      {"..\r\n.\r\n", ".\r\n", true},
      {"a\r\n..b\r\n.\r\n", "a\r\n.b\r\n", true},
      {"a\r\n.b\r\n.\r\n", "a\r\nb\r\n", false},
      {"a\r\n...\r\n.\r\n", "a\r\n..\r\n", true},
      {"a.\r\nb..c\r\n.\r\n", "a.\r\nb..c\r\n", false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.wire);
    const Decoded decoded = decode(row.wire + "NEXT");
    CHECK(decoded.done);
    CHECK(decoded.content == row.content);
    CHECK(decoded.rest == "NEXT");
    CHECK(decoded.size == row.content.size());
    CHECK(decoded.dot_line == row.dot_line);
  }
}

TEST_CASE("nothing else ends the content, and what comes out has CRLF line ends only") {
  // Each row's wire is followed by the real end.
  const Row rows[] = {
      {"a\n.\nb\r\n", "a\r\n.\r\nb\r\n", true},
      {"a\n.\r\nb\r\n", "a\r\n.\r\nb\r\n", true},
      {"a\r\n.\nb\r\n", "a\r\n.\r\nb\r\n", true},
      {"a\r\n.\n.\r\nb\r\n", "a\r\n.\r\n.\r\nb\r\n", true},
      {"a\r.\rb\r\n", "a . b\r\n", false},
      {"a\r\n.\rb\r\n", "a\r\n b\r\n", false},
      {"a\r\n.\r\r\nb\r\n", "a\r\n \r\nb\r\n", false},
      {"a\r.\r\nb\r\n", "a .\r\nb\r\n", false},
      {"a\r\r\n.\rb\r\n", "a \r\n b\r\n", false},
      {"a\n\r.\n\r\nb\r\n", "a\r\n .\r\n\r\nb\r\n", false},
      {".\nb\r\n", ".\r\nb\r\n", true},
      {"\n.\n.\nb\r\n", "\r\n.\r\n.\r\nb\r\n", true},
      {"\n..b\r\n", "\r\n.b\r\n", true},
      {"\n.b\r\n", "\r\nb\r\n", false},
      {"a\n", "a\r\n", false},
      {"a\nb\nc\r\n", "a\r\nb\r\nc\r\n", false},
      {"\r\r\r\n", "  \r\n", false},
      {"a\r\n..\rb\r\n", "a\r\n. b\r\n", true},
      {"a\r\n.\r.\r\n", "a\r\n .\r\n", false},
      {std::string("a\0b\r\n", 5), std::string("a\0b\r\n", 5), false},
      {std::string("a\r\n.\0\r\n", 7), std::string("a\r\n\0\r\n", 6), false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.wire);
    // Behind a bare LF ".CRLF" is no end: the rows that end so get a last line.
    const bool open = row.wire.ends_with('\n') && !row.wire.ends_with("\r\n");
    const Decoded decoded = decode(row.wire + (open ? "z\r\n.\r\n" : ".\r\n"));
    CHECK(decoded.done);
    CHECK(decoded.content == row.content + (open ? "z\r\n" : ""));
    CHECK(decoded.dot_line == row.dot_line);
    CHECK(decoded.rest == "");
  }
}

TEST_CASE("content that only looks ended goes on") {
  for (const char* wire : {".", ".\r", ".\n", "a\r\n.", "a\r\n.\r", "a\r\n.\n", "a\n.\n", "a\n.\r\n", "a\r.\r",
                           "a.\r\n", "a\r\n.\r\r\n", "\r\n..\r\n", "\r\n .\r\n"}) {
    CAPTURE(wire);
    CHECK_FALSE(decode(wire).done);
  }
}

TEST_CASE("decoded content, sent on, has one end for every reader") {
  // All words of up to seven octets over the octets that matter: what a bare-LF or bare-CR reader takes for an end must
  // not be in the wire form before its own end.
  const std::string_view octets = "\r\n.a";
  for (size_t length = 0; length <= 7; ++length) {
    size_t words = 1;
    for (size_t i = 0; i < length; ++i) words *= octets.size();
    for (size_t word = 0; word < words; ++word) {
      std::string input;
      for (size_t i = 0, rest = word; i < length; ++i, rest /= octets.size()) input += octets[rest % octets.size()];
      input += "z\r\n.\r\n";
      const Decoded decoded = decode_in_pieces(input, std::string_view::npos, 0);
      const Decoded slow = decode_in_pieces(input, 1, 0);
      if (!(decoded == slow)) FAIL("split changes " << input);
      const size_t end = ("\r\n" + input).find("\r\n.\r\n") + 3;
      if (!decoded.done || decoded.rest != input.substr(end)) FAIL("not the end of " << input);
      const std::string wire = stuffed(decoded.content, std::string_view::npos);
      const std::string_view body = std::string_view(wire).substr(0, wire.size() - 3);
      for (size_t i = 0; i < body.size(); ++i) {
        const bool cr = body[i] == '\r', lf = body[i] == '\n';
        if (cr && (i + 1 == body.size() || body[i + 1] != '\n')) FAIL("bare CR from " << input);
        if (lf && (i == 0 || body[i - 1] != '\r')) FAIL("bare LF from " << input);
      }
      if (body.find("\n.\r") != body.npos || body.starts_with(".\r")) FAIL("early end from " << input);
      if ((decoded.content.starts_with('.') || decoded.content.find("\n.") != std::string::npos) != decoded.dot_line)
        FAIL("wrong flag from " << input);
      const Decoded again = decode_in_pieces(wire, 1, 0);
      if (again.content != decoded.content || !again.done) FAIL("changed on the way: " << input);
    }
  }
}

TEST_CASE("beyond the limit content is counted and read to its end, but not kept (rows 5, 25)") {
  const std::string line = std::string(98, 'x') + "\r\n";
  std::string wire;
  for (int i = 0; i < 10; ++i) wire += line;
  const Decoded fits = decode(wire + ".\r\nNEXT", 1000);
  CHECK_FALSE(fits.over_limit);
  CHECK(fits.content.size() == 1000);
  const Decoded over = decode(wire + ".\r\nNEXT", 999);
  CHECK(over.over_limit);
  CHECK(over.done);
  CHECK(over.size == 1000);
  CHECK(over.content.size() <= 999);
  CHECK(over.rest == "NEXT");
}

TEST_CASE("the size limit counts content without dot-stuffing and with CRLF (C9)") {
  CHECK_FALSE(decode("..\r\n.\r\n", 3).over_limit);
  CHECK(decode("a\n.\nb\r\n.\r\n", 8).over_limit);
  CHECK_FALSE(decode("a\n.\nb\r\n.\r\n", 9).over_limit);
}

TEST_CASE("octets above 127 are noticed wherever they stand") {
  for (size_t at = 0; at < 80; ++at) {
    std::string wire(80, 'x');
    CHECK_FALSE(decode_in_pieces(wire + "\r\n.\r\n", 1000, 0).eight_bit);
    wire[at] = '\x80';
    CHECK(decode_in_pieces(wire + "\r\n.\r\n", 1000, 0).eight_bit);
    CHECK(decode_in_pieces(wire + "\r\n.\r\n", 1, 0).eight_bit);
  }
}

TEST_CASE("a line of more than 998 octets is noticed, however it came") {
  const std::string x(997, 'x');
  const struct {
    std::string wire;
    bool long_line;
  } rows[] = {
      {x + "x\r\n", false},         {x + "xx\r\n", true},
      {"..x" + x + "\r\n", true},   {"..." + x + "\r\n", true},
      {".." + x + "\r\n", false},   {"." + x + "x\r\n", false},
      {x + "\rx\r\n", true},        {x + "\r\r\n", false},
      {x + "\nxx\r\n", false},      {x + "x\nx\r\n", false},
      {x + "xx\nx\r\n", true},      {".\r" + x + "x\r\n", true},
      {x + "\r\nxx\r\n", false},    {"x\r\n" + x + "x\r\n" + x + "\r\n", false},
      {"\n.\n" + x + "x\n", false},
  };
  for (const auto& row : rows)
    for (const size_t piece : {std::string::npos, 1ul, 2ul, 996ul, 998ul, 999ul, 1000ul}) {
      CAPTURE(row.wire.size(), row.wire.substr(0, 5), piece);
      const Decoded decoded = decode_in_pieces(row.wire + "z\r\n.\r\n", piece, 0);
      CHECK(decoded.done);
      CHECK(decoded.long_line == row.long_line);
    }
}

TEST_CASE("a decoder starts afresh with each message") {
  DataDecoder decoder;
  decoder.start(3);
  std::string content;
  decoder.decode("..\xFFxyz\r\n", content);
  decoder.decode(std::string(999, 'x') + "\r\n", content);
  CHECK((decoder.over_limit() && decoder.eight_bit() && decoder.has_dot_line() && decoder.has_long_line()));
  decoder.start(0);
  content.clear();
  CHECK(decoder.decode("a\r\n.\r\n", content).done);
  CHECK(content == "a\r\n");
  CHECK_FALSE((decoder.over_limit() || decoder.eight_bit() || decoder.has_dot_line() || decoder.has_long_line()));
}

TEST_CASE("dots at line starts are doubled and the end is added") {
  const struct {
    std::string_view content, wire;
  } rows[] = {
      {"", ".\r\n"},
      {"a\r\n", "a\r\n.\r\n"},
      {"a", "a\r\n.\r\n"},
      {".", "..\r\n.\r\n"},
      {".\r\n", "..\r\n.\r\n"},
      {"a\r\n.b\r\n..\r\n", "a\r\n..b\r\n...\r\n.\r\n"},
      {"a.\r\n", "a.\r\n.\r\n"},
      {"\r\n.\r\n.\r\n", "\r\n..\r\n..\r\n.\r\n"},
      {"a\r\n.", "a\r\n..\r\n.\r\n"},
      {"a\n.\nb", "a\n..\nb\r\n.\r\n"},
      {"a\r.b\n", "a\r.b\n\r\n.\r\n"},
  };
  for (const auto& row : rows)
    for (size_t piece = 1; piece < 12; ++piece) {
      CAPTURE(row.content, piece);
      CHECK(stuffed(row.content, piece) == row.wire);
    }
}

TEST_CASE("content that is sent unchanged still gets the right end") {
  smtp::DotStuffer stuffer;
  CHECK(stuffer.end() == ".\r\n");
  stuffer.seen("a\r");
  CHECK(stuffer.end() == "\r\n.\r\n");
  stuffer.seen("\n");
  CHECK(stuffer.end() == ".\r\n");
  stuffer.seen("b\n");
  CHECK(stuffer.end() == "\r\n.\r\n");
}
