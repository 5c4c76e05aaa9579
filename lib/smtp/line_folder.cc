// Breaks content lines that are too long for SMTP.
#include "smtp/line_folder.h"

#include <algorithm>
#include <utility>

namespace hikyaku::smtp {

namespace {

constexpr size_t kLongestCharacter = 4;

constexpr bool continues(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// Octets of the character of UTF-8 that begins so.
size_t length_of_character(char first) {
  const auto octet = static_cast<unsigned char>(first);
  return octet >= 0xF0 ? 4 : octet >= 0xE0 ? 3 : octet >= 0xC0 ? 2 : 1;
}

// Octets at the end of `text` with which a character begins that has more.
size_t begun_at_end(std::string_view text) {
  for (size_t length = 1; length < kLongestCharacter && length <= text.size(); ++length) {
    const char first = text[text.size() - length];
    if (!continues(first)) return length_of_character(first) > length ? length : 0;
  }
  return 0;
}

}  // namespace

void LineFolder::append(std::string_view content, std::string& out) {
  std::string joined;
  if (!held_.empty()) {
    joined = held_.append(content);
    content = joined;
  }
  const size_t begun = begun_at_end(content);
  fold(content.substr(0, content.size() - begun), out);
  held_.assign(content.substr(content.size() - begun));
}

void LineFolder::fold(std::string_view content, std::string& out) {
  while (!content.empty()) {
    const size_t lf = content.find('\n');
    const bool ends = lf != content.npos;
    std::string_view text = content.substr(0, lf);
    if (cr_ && !text.empty()) {
      put("\r", out);
      cr_ = false;
    }
    if (text.ends_with('\r')) {
      text.remove_suffix(1);
      cr_ = true;
    }
    put(text, out);
    if (!ends) return;
    out += std::exchange(cr_, false) ? "\r\n" : "\n";
    column_ = line_start_ = 0;
    content.remove_prefix(lf + 1);
  }
}

void LineFolder::end(std::string& out) {
  fold(held_, out);
  held_.clear();
  if (std::exchange(cr_, false)) put("\r", out);
}

void LineFolder::put(std::string_view text, std::string& out) {
  while (text.size() > limit_ - column_) {
    const size_t room = room_in(text);
    out.append(text.substr(0, room)).append("\r\n ");
    text.remove_prefix(room);
    column_ = line_start_ = 1;
  }
  out += text;
  column_ += text.size();
}

// Of a text that does not fit: how much of it goes into this line. A new one takes something in any case.
size_t LineFolder::room_in(std::string_view text) const {
  const size_t most = limit_ - column_;
  if (!continues(text[most])) return most;
  const size_t room = most - begun_at_end(text.substr(0, most));
  return column_ + room > line_start_ ? room : most;
}

}  // namespace hikyaku::smtp
