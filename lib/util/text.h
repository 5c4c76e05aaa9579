// Small questions about text. Bytes above 127 are never changed or compared without case.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hikyaku::util {

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_alpha(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }
constexpr bool is_alnum(char c) { return is_digit(c) || is_alpha(c); }
constexpr bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

std::string to_lower(std::string_view text);
bool iequals(std::string_view a, std::string_view b);
bool istarts_with(std::string_view text, std::string_view prefix);
bool iends_with(std::string_view text, std::string_view suffix);
// Without white space at both ends.
std::string_view trim(std::string_view text);
// Pieces between any of `separators`; empty pieces are dropped (Postfix's lists: ", \t\r\n").
std::vector<std::string_view> split(std::string_view text, std::string_view separators);
// The whole of `text` as a decimal number without sign; nothing when it is not one or overflows.
std::optional<uint64_t> parse_number(std::string_view text);
// Whether no octet is above 127.
bool is_ascii(std::string_view text);
// Number of single-letter edits (insert, delete, replace, swap of neighbours) between two words.
size_t edit_distance(std::string_view a, std::string_view b);
struct Character {
  char32_t code;
  size_t length;  // octets
};
// The character of UTF-8 (RFC 3629) at the front of `text`, which is not empty; nothing when there is none: overlong, a
// surrogate, cut off.
std::optional<Character> first_character(std::string_view text);
// Valid UTF-8 (RFC 3629), without the control characters U+0080 to U+009F.
bool is_utf8(std::string_view text);
// Printable ASCII and valid UTF-8 as they are; control characters, backslash and every other byte as \ooo (octal).
// For a stranger's text in a log line: a line stays one line, whatever was sent.
std::string escape_for_log(std::string_view text);

}  // namespace hikyaku::util
