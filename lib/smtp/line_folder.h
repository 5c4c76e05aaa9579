// Breaks content lines that are too long for SMTP (RFC 5321 section 4.5.3.1.6).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace hikyaku::smtp {

inline constexpr size_t kLongestLine = 998;  // octets that every server must take, without CRLF

// As Postfix's smtp_line_length_limit: CRLF and a space are inserted, in header and body alike, so that a header field
// goes on and a line of a body does as little harm as it can; no character of UTF-8 is cut in two, where the limit has
// room for it. Content in pieces; no line of what comes out has more than `limit` octets without its CRLF, but two at
// the least.
class LineFolder {
 public:
  explicit LineFolder(size_t limit) : limit_(limit < 2 ? 2 : limit) {}

  void append(std::string_view content, std::string& out);
  void end(std::string& out);

 private:
  void fold(std::string_view content, std::string& out);
  void put(std::string_view text, std::string& out);
  size_t room_in(std::string_view text) const;

  size_t limit_;
  size_t column_ = 0;
  size_t line_start_ = 0;  // the column behind the space that was inserted
  bool cr_ = false;        // seen and not yet written: it may begin a line end
  std::string held_;       // the beginning of a character that is not at its end
};

}  // namespace hikyaku::smtp
