// The header of a message as a list of fields.
#include "mime/header_block.h"

#include <algorithm>

#include "util/text.h"

namespace hikyaku::mime {
namespace {

constexpr bool is_blank(char c) { return c == ' ' || c == '\t'; }
// RFC 5322 section 3.6.8, ftext: printable ASCII but the colon.
constexpr bool is_name_char(char c) { return c > ' ' && c < 127 && c != ':'; }

// Where the line that begins at `position` ends, its LF included.
size_t line_end(std::string_view content, size_t position) {
  const size_t lf = content.find('\n', position);
  return lf == std::string_view::npos ? content.size() : lf + 1;
}

// Length of the empty line that stands at `position`; 0 when none does.
size_t empty_line(std::string_view content, size_t position) {
  const std::string_view rest = content.substr(position, 2);
  if (rest == "\r\n") return 2;
  return rest.starts_with('\n') ? 1 : 0;
}

std::string_view without_line_end(std::string_view text) {
  if (!text.ends_with('\n')) return text;
  text.remove_suffix(1);
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

Field split_field(std::string_view text, size_t position) {
  size_t name_end = 0;
  while (name_end < text.size() && is_name_char(text[name_end])) ++name_end;
  size_t colon = name_end;
  while (colon < text.size() && is_blank(text[colon])) ++colon;
  const bool is_field = name_end > 0 && colon < text.size() && text[colon] == ':';
  if (!is_field) return Field{text, {}, without_line_end(text), position};
  return Field{text, text.substr(0, name_end), without_line_end(text.substr(colon + 1)), position};
}

}  // namespace

void HeaderBlock::Iterator::read(size_t position) {
  field_ = Field{};
  if (position >= content_.size() || empty_line(content_, position) > 0) return;
  size_t end = line_end(content_, position);
  while (end < content_.size() && is_blank(content_[end])) end = line_end(content_, end);
  field_ = split_field(content_.substr(position, end - position), position);
}

HeaderBlock::Iterator& HeaderBlock::Iterator::operator++() {
  read(field_.position + field_.text.size());
  return *this;
}

HeaderBlock::Iterator HeaderBlock::Iterator::operator++(int) {
  Iterator before = *this;
  ++*this;
  return before;
}

HeaderBlock::Iterator HeaderBlock::begin() const {
  return content_.empty() || is_blank(content_.front()) ? Iterator() : Iterator(content_);
}

std::optional<Field> HeaderBlock::find_first(std::string_view name) const {
  for (const Field& field : *this) {
    if (util::iequals(field.name, name)) return field;
  }
  return std::nullopt;
}

size_t HeaderBlock::count(std::string_view name) const {
  return static_cast<size_t>(
      std::count_if(begin(), end(), [name](const Field& field) { return util::iequals(field.name, name); }));
}

size_t HeaderBlock::size() const {
  size_t end_of_last = 0;
  for (const Field& field : *this) end_of_last = field.position + field.text.size();
  return end_of_last;
}

size_t HeaderBlock::body() const {
  const size_t end_of_fields = size();
  return end_of_fields + empty_line(content_, end_of_fields);
}

std::string unfold(std::string_view value) {
  std::string line;
  line.reserve(value.size());
  for (size_t i = 0; i < value.size(); ++i) {
    const size_t after = i + empty_line(value, i);
    const bool folds = after > i && after < value.size() && is_blank(value[after]);
    if (folds) {
      i = after - 1;
    } else {
      line += value[i];
    }
  }
  return std::string(util::trim(line));
}

std::string_view message_id(std::string_view value) {
  const size_t open = value.find('<');
  const size_t close = open == std::string_view::npos ? open : value.find('>', open);
  if (close == std::string_view::npos) return util::trim(value);
  return value.substr(open, close - open + 1);
}

}  // namespace hikyaku::mime
