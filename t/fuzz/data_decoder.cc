// The content behind DATA and BDAT: lib/smtp/data_decoder.h, and its way out again.
//
// Input: a byte (how large the second session's pieces are), a byte (the limit, 0 for none), then what the client
// sends: it is taken for both.
#include "smtp/data_decoder.h"

#include <optional>
#include <string>

#include "smtp/dot_stuffer.h"
#include "t/fuzz/input.h"

using namespace hikyaku;
using fuzz::promise;

namespace {

struct Decoded {
  std::string content;
  size_t used = 0;
  bool done = false;
  smtp::DataDecoder decoder;
};

Decoded decode(std::string_view wire, size_t piece, uint64_t limit) {
  Decoded result;
  result.decoder.start(limit);
  fuzz::in_pieces(wire, piece, [&](std::string_view bytes) {
    if (result.done) return;
    const auto step = result.decoder.decode(bytes, result.content);
    promise(step.used <= bytes.size() && (step.done || step.used == bytes.size()), "all is used, or up to the end");
    result.used += step.used;
    result.done = step.done;
  });
  return result;
}

void check_same(const Decoded& a, const Decoded& b) {
  promise(a.done == b.done && a.used == b.used, "the same end, whatever the pieces");
  promise(a.decoder.size() == b.decoder.size() && a.decoder.over_limit() == b.decoder.over_limit(), "the same size");
  promise(a.decoder.over_limit() || a.content == b.content, "the same content");
  promise(a.decoder.has_dot_line() == b.decoder.has_dot_line(), "the same word about dots");
  promise(a.decoder.eight_bit() == b.decoder.eight_bit(), "the same word about 8-bit octets");
  promise(a.decoder.has_long_line() == b.decoder.has_long_line(), "the same word about long lines");
  promise(a.decoder.has_bare_newline() == b.decoder.has_bare_newline(), "the same word about bare newlines");
}

Decoded decode_chunks(std::string_view wire, size_t piece, uint64_t limit) {
  Decoded result;
  result.decoder.start(limit);
  fuzz::in_pieces(wire, piece, [&](std::string_view bytes) { result.decoder.decode_chunk(bytes, result.content); });
  result.decoder.end_chunks(result.content);
  return result;
}

// Octets up to the one end that there is, RFC 5321 section 4.1.1.4; nothing when it did not come.
std::optional<size_t> end_of(std::string_view wire) {
  constexpr std::string_view kEnd = "\r\n.\r\n";
  if (wire.starts_with(".\r\n")) return 3;
  const size_t found = wire.find(kEnd);
  return found == wire.npos ? std::nullopt : std::optional(found + kEnd.size());
}

// CR and LF as pairs only.
bool is_normal(std::string_view content) {
  for (size_t i = 0; i < content.size(); ++i) {
    if (content[i] == '\r' && (i + 1 == content.size() || content[i + 1] != '\n')) return false;
    if (content[i] == '\n' && (i == 0 || content[i - 1] != '\r')) return false;
  }
  return true;
}

std::string stuffed(std::string_view content, size_t piece) {
  smtp::DotStuffer stuffer;
  std::string wire;
  fuzz::in_pieces(content, piece, [&](std::string_view bytes) { stuffer.append(bytes, wire); });
  wire += stuffer.end();
  return wire;
}

// What was decoded, sent on, is decoded as the same, and no reader finds an earlier end.
void check_round(const Decoded& decoded, size_t piece) {
  const std::string& content = decoded.content;
  const std::string wire = stuffed(content, piece);
  promise(wire == stuffed(content, std::string::npos), "stuffed the same, whatever the pieces");
  const Decoded again = decode(wire + "NEXT", piece, 0);
  promise(again.done && again.used == wire.size() && again.content == content, "sent on, it is the same");
  promise(again.decoder.has_dot_line() == decoded.decoder.has_dot_line(), "the same word about dots");
  for (const char* end : {"\n.\n", "\n.\r\n", "\r.\r", "\r.\n"}) {
    const size_t found = (wire.starts_with('.') && !wire.starts_with("..") ? "\r\n" + wire : wire).find(end);
    promise(found == std::string::npos || found + 5 >= wire.size(), "one end for every reader");
  }
  if (!decoded.decoder.has_dot_line()) promise(wire == content + ".\r\n", "without a dot line it is sent as it is");
}

// What came in chunks has no end of its own, and is all content.
void check_chunks(std::string_view wire, size_t piece, uint64_t limit) {
  const Decoded whole = decode_chunks(wire, std::string_view::npos, limit);
  check_same(whole, decode_chunks(wire, 1, limit));
  check_same(whole, decode_chunks(wire, piece, limit));
  if (whole.decoder.over_limit()) return;
  promise(is_normal(whole.content), "CR and LF come as CRLF only");
  promise(whole.content.size() >= wire.size() - static_cast<size_t>(std::ranges::count(wire, '\r')), "nothing is lost");
  const bool dot_line = whole.content.starts_with('.') || whole.content.find("\r\n.") != std::string::npos;
  promise(dot_line == whole.decoder.has_dot_line(), "the word about dots is true");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const size_t piece = 2 + input.byte() % 16;
  const uint64_t limit = input.byte();
  const std::string_view wire = input.rest();

  check_chunks(wire, piece, limit);
  const Decoded whole = decode(wire, std::string_view::npos, limit);
  check_same(whole, decode(wire, 1, limit));
  check_same(whole, decode(wire, piece, limit));
  const auto end = end_of(wire);
  promise(whole.done == end.has_value() && (!end || whole.used == *end), "CRLF.CRLF is the end, and nothing else is");
  promise(limit == 0 || whole.content.size() <= limit, "no more than the limit is kept");
  if (whole.decoder.over_limit()) return 0;
  promise(whole.content.size() == whole.decoder.size(), "the size is the content's");
  if (!whole.done) return 0;
  promise(is_normal(whole.content), "CR and LF come as CRLF only");
  promise(whole.content.empty() || whole.content.ends_with("\r\n"), "the last line is whole");
  const bool high = std::ranges::any_of(whole.content, [](char c) { return static_cast<unsigned char>(c) > 127; });
  promise(high == whole.decoder.eight_bit(), "the word about 8-bit octets is true");
  const bool dot_line = whole.content.starts_with('.') || whole.content.find("\r\n.") != std::string::npos;
  promise(dot_line == whole.decoder.has_dot_line(), "the word about dots is true");
  check_round(whole, piece);
  return 0;
}
