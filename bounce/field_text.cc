// A stranger's text made fit for a report.
#include "bounce/field_text.h"

#include <fmt/format.h>

#include <optional>

#include "util/text.h"

namespace hikyaku::bounce {
namespace {

constexpr size_t kColumns = 72;
constexpr std::string_view kCutMark = "...";

// U+0080 to U+009F are controls too, and U+2028, U+2029 end lines for some readers.
constexpr bool is_control(char32_t code) {
  return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x2028 || code == 0x2029;
}

std::string clean(std::string_view text, size_t limit, bool ascii_only) {
  std::string out;
  size_t cut = 0;  // the last place between characters where the mark still fits
  text = util::trim(text);
  while (!text.empty() && out.size() <= limit) {
    if (out.size() + kCutMark.size() <= limit) cut = out.size();
    const std::optional<util::Character> next = util::first_character(text);
    const std::string_view bytes = text.substr(0, next ? next->length : 1);
    text.remove_prefix(bytes.size());
    if (util::is_space(bytes[0])) {
      if (!out.ends_with(' ')) out += ' ';
    } else if (!next || is_control(next->code) || (ascii_only && next->code > 0x7F)) {
      out += '?';
    } else {
      out += bytes;
    }
  }
  if (out.size() > limit) out.replace(cut, std::string::npos, kCutMark);
  return out;
}

std::optional<char> hex_pair(std::string_view text) {
  const auto digit = [](char c) {
    if (util::is_digit(c)) return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  if (text.size() < 2 || digit(text[0]) < 0 || digit(text[1]) < 0) return std::nullopt;
  return static_cast<char>(digit(text[0]) * 16 + digit(text[1]));
}

}  // namespace

std::string one_line(std::string_view text, size_t limit) { return clean(text, limit, false); }

std::string ascii_line(std::string_view text, size_t limit) { return clean(text, limit, true); }

bool has_eight_bit(std::string_view text) { return !util::is_ascii(text); }

std::string decode_xtext(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const std::optional<char> decoded = text[i] == '+' ? hex_pair(text.substr(i + 1)) : std::nullopt;
    out += decoded.value_or(text[i]);
    if (decoded) i += 2;
  }
  return out;
}

std::string typed_address(std::string_view address) {
  std::string line = one_line(address);
  if (!has_eight_bit(line)) return "rfc822; " + line;
  std::string out = "utf-8; ";
  for (std::string_view rest = line; !rest.empty();) {
    const util::Character next = util::first_character(rest).value_or(util::Character{'?', 1});
    const bool plain = next.code > ' ' && next.code < 127 && next.code != '\\' && next.code != '+' && next.code != '=';
    if (out.size() > kLongestText) return out.append(kCutMark);
    out += plain ? std::string(1, static_cast<char>(next.code))
                 : fmt::format("\\x{{{:X}}}", static_cast<uint32_t>(next.code));
    rest.remove_prefix(next.length);
  }
  return out;
}

void append_wrapped(std::string& out, std::string_view indent, std::string_view text) {
  size_t column = 0;
  for (const std::string_view word : util::split(text, " ")) {
    if (column > 0 && column + 1 + word.size() > kColumns) {
      out += "\r\n";
      column = 0;
    }
    const std::string_view before = column == 0 ? indent : " ";
    out.append(before).append(word);
    column += before.size() + word.size();
  }
  out += "\r\n";
}

}  // namespace hikyaku::bounce
