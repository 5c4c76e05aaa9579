// The wire form of a message's content: dots doubled at line starts, and the end of data (RFC 5321 section 4.5.2).
#pragma once

#include <string>
#include <string_view>

namespace hikyaku::smtp {

// For content in pieces; each line ends with CRLF, but the last may lack it. Content that is known to have no line that
// begins with a dot can be sent as it is: then only seen() and end() are needed.
class DotStuffer {
 public:
  // Appends the wire form of the next piece.
  void append(std::string_view content, std::string& wire);
  // The next piece was sent unchanged.
  void seen(std::string_view content);
  // What ends the data: ".\r\n", with the CRLF before it that the last line lacked.
  std::string_view end() const;

 private:
  // The last octets so far; a message begins as if behind a line end.
  enum class After : unsigned char { kLineEnd, kBareLf, kCr, kOther };
  After after_ = After::kLineEnd;
};

}  // namespace hikyaku::smtp
