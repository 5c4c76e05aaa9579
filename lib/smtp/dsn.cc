// The parameters of RFC 3461.
#include "smtp/dsn.h"

#include <fmt/format.h>

#include <algorithm>

#include "util/text.h"

namespace hikyaku::smtp {
namespace {

constexpr size_t kLongestEnvelopeId = 100;
constexpr size_t kLongestOriginalRecipient = 500;

struct NotifyWord {
  std::string_view word;
  uint8_t bit;
};
constexpr NotifyWord kNotifyWords[] = {
    {"NEVER", kNotifyNever}, {"SUCCESS", kNotifySuccess}, {"FAILURE", kNotifyFailure}, {"DELAY", kNotifyDelay}};

constexpr bool is_graphic(char c) { return c > ' ' && c <= '~'; }

std::optional<char> hex_value(char c) {
  if (util::is_digit(c)) return static_cast<char>(c - '0');
  // Upper case only (RFC 3461 section 4).
  if (c >= 'A' && c <= 'F') return static_cast<char>(c - 'A' + 10);
  return std::nullopt;
}

// The number of characters that xtext stands for; nothing when it is none, or one of them is a control character or
// beyond ASCII.
std::optional<size_t> xtext_length(std::string_view text) {
  size_t length = 0;
  for (size_t i = 0; i < text.size(); ++i, ++length) {
    if (!is_graphic(text[i]) || text[i] == '=') return std::nullopt;
    if (text[i] != '+') continue;
    const auto high = i + 1 < text.size() ? hex_value(text[i + 1]) : std::nullopt;
    const auto low = i + 2 < text.size() ? hex_value(text[i + 2]) : std::nullopt;
    if (!high || !low) return std::nullopt;
    const int decoded = *high * 16 + *low;
    if (decoded < ' ' || decoded > '~') return std::nullopt;
    i += 2;
  }
  return length;
}

// RFC 6533 section 3: "\x{FC}" among characters that stand for themselves.
bool is_unitext(std::string_view text, bool utf8) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (static_cast<unsigned char>(text[i]) > 127) {
      if (!utf8) return false;
    } else if (text[i] == '\\') {
      const size_t end = text.find('}', i);
      if (text.substr(i, 3) != "\\x{" || end == text.npos || end - i < 5 || end - i > 9) return false;
      if (!std::ranges::all_of(text.substr(i + 3, end - i - 3), [](char c) { return hex_value(c).has_value(); }))
        return false;
      i = end;
    } else if (!is_graphic(text[i]) || text[i] == '+' || text[i] == '=') {
      return false;
    }
  }
  return true;
}

}  // namespace

std::optional<uint8_t> read_notify(std::string_view value) {
  uint8_t bits = 0;
  while (true) {
    const size_t end = std::min(value.find(','), value.size());
    const auto found = std::ranges::find_if(
        kNotifyWords, [&](const NotifyWord& each) { return util::iequals(each.word, value.substr(0, end)); });
    if (found == std::end(kNotifyWords)) return std::nullopt;
    bits |= found->bit;
    if (end == value.size()) break;
    value.remove_prefix(end + 1);
  }
  const bool never = (bits & kNotifyNever) != 0;
  return never && bits != kNotifyNever ? std::nullopt : std::optional(bits);
}

std::string notify_text(uint8_t bits) {
  std::string text;
  for (const NotifyWord& each : kNotifyWords) {
    if ((bits & each.bit) == 0) continue;
    if (!text.empty()) text += ',';
    text += each.word;
  }
  return text;
}

bool is_envelope_id(std::string_view value) {
  const auto length = xtext_length(value);
  return length && *length > 0 && *length <= kLongestEnvelopeId;
}

bool is_original_recipient(std::string_view value, bool utf8) {
  const size_t semicolon = value.find(';');
  if (value.size() > kLongestOriginalRecipient || semicolon == value.npos || semicolon + 1 == value.size())
    return false;
  const std::string_view type = value.substr(0, semicolon), address = value.substr(semicolon + 1);
  const auto is_atom = [](char c) { return util::is_alnum(c) || c == '-'; };
  if (type.empty() || !std::ranges::all_of(type, is_atom)) return false;
  if (util::iequals(type, "utf-8")) return is_unitext(address, utf8) && util::is_utf8(address);
  return xtext_length(address).has_value();
}

std::string ascii_original_recipient(std::string_view value) {
  std::string out;
  while (!value.empty()) {
    const util::Character next = util::first_character(value).value_or(util::Character{'?', 1});
    if (next.code < 0x80)
      out += static_cast<char>(next.code);
    else
      out += fmt::format("\\x{{{:X}}}", static_cast<uint32_t>(next.code));
    value.remove_prefix(next.length);
  }
  return out;
}

}  // namespace hikyaku::smtp
