// The header of a message as a list of fields, read in place: views into the content, nothing copied (RFC 5322
// section 2.2).
#pragma once

#include <cstddef>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

namespace hikyaku::mime {

// One field, or one stretch of lines that is no field: then `name` is empty and `value` is the whole text.
struct Field {
  std::string_view text;   // all of it: name, colon, folded lines, the last line end
  std::string_view name;   // as written; white space before the colon (RFC 5322 section 4.5) is left out
  std::string_view value;  // raw, from behind the colon, folding included, without the last line end
  size_t position = 0;     // of `text`, in bytes from the start of the content

  bool operator==(const Field&) const = default;
};

// The fields of `content` up to the first empty line or the end. Lines end in LF, a CR before it belongs to the end.
// Lines that are no field stand in the list without a name: a stray line in the header must not hide the fields behind
// it. Content whose first byte is white space has no header at all: its first line would continue whatever field
// is put before it. Every walk is linear in the header's length, whatever the bytes are.
class HeaderBlock {
 public:
  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Field;
    using difference_type = std::ptrdiff_t;
    using pointer = const Field*;
    using reference = const Field&;

    Iterator() = default;
    explicit Iterator(std::string_view content) : content_(content) { read(0); }
    reference operator*() const { return field_; }
    pointer operator->() const { return &field_; }
    Iterator& operator++();
    Iterator operator++(int);
    bool operator==(const Iterator& other) const { return field_.text.data() == other.field_.text.data(); }

   private:
    void read(size_t position);

    std::string_view content_;
    Field field_;  // a field without text is the end
  };

  explicit HeaderBlock(std::string_view content) : content_(content) {}

  Iterator begin() const;
  Iterator end() const { return Iterator(); }

  // The first field of that name, without regard to case.
  std::optional<Field> find_first(std::string_view name) const;
  size_t count(std::string_view name) const;
  // Bytes that the fields take: where the empty line stands, or the content's end.
  size_t size() const;
  // Where the body begins: behind the empty line, or the content's end.
  size_t body() const;

 private:
  std::string_view content_;
};

// `value` as one line: line ends before white space are taken out (RFC 5322 section 2.2.3), white space at both ends
// too.
std::string unfold(std::string_view value);

// The id in the value of a Message-ID field, with its angle brackets; a value without brackets is given whole, trimmed.
// Still a stranger's text: to be escaped before it is logged.
std::string_view message_id(std::string_view value);

}  // namespace hikyaku::mime
