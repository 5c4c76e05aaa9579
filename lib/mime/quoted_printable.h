// The transfer encoding quoted-printable (RFC 2045 section 6.7).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace hikyaku::mime {

// Octets in pieces; CRLF is a line break, every other CR and LF is data. No line of the output is longer than 76
// octets, none ends with white space, and none begins with '-': so no line can be taken for a multipart's boundary,
// whatever the text quotes.
class QuotedPrintableEncoder {
 public:
  void append(std::string_view data, std::string& out);
  // The data ends here; what comes next is another's.
  void end(std::string& out);

 private:
  void put(char c, std::string& out);
  void put_encoded(char c, std::string& out);
  void make_room(size_t octets, std::string& out);

  size_t column_ = 0;
  char held_ = 0;  // white space that may be the line's last, or a CR that may begin its end
};

// `c` as "=XX".
void append_hex(char c, std::string& out);

}  // namespace hikyaku::mime
