// SMTP replies (RFC 5321 section 4.2, enhanced codes RFC 3463): one for both sides, written by the server's session
// and read by the client's.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace hikyaku::smtp {

struct Reply {
  int code = 0;          // 200-599; 0 is "no reply"
  std::string enhanced;  // "2.1.5", or empty
  std::string text;      // without code, enhanced code, CR and LF; the lines of a longer reply joined by a space

  bool is_positive() const { return code >= 200 && code < 400; }
  bool is_permanent() const { return code >= 500; }
  // "250 2.1.5 Ok": for logs (escape it) and reports.
  std::string line() const;

  bool operator==(const Reply&) const = default;
};

// Appends "code enhanced text\r\n". Control characters in `text` are written as spaces, so that a quoted command or
// address can never start a line of its own, and octets above 127 as '?'. A text too long for one line (RFC 5321
// section 4.5.3.1.5) is cut.
void append_reply(std::string& wire, int code, std::string_view enhanced, std::string_view text);
void append_reply(std::string& wire, const Reply& reply);

// Reads the replies of a server: any split, any number of lines, CRLF or bare LF.
//
// Its memory is bounded whatever a hostile server sends: the first kMaxReplyText octets of the text are kept, what is
// longer is read to its end and forgotten. (A reply without an end is the business of the caller's deadline.)
class ReplyParser {
 public:
  static constexpr size_t kMaxReplyText = 4096;

  enum class Status { kNeedMore, kReply, kMalformed };

  // Consumes from `bytes` up to the end of the next reply. kReply: take() has it, call again for what is left in
  // `bytes`. kMalformed: what came is not SMTP (no code, or codes that differ between lines); the connection is of no
  // more use, and malformed() holds the line.
  Status parse(std::string_view& bytes);
  // The reply; NUL in its text is '?'. `joint` stands between the lines ('\n' keeps them apart, for EHLO).
  Reply take(char joint = ' ');
  const std::string& malformed() const { return line_; }

 private:
  void keep(std::string_view piece);
  bool read_line(std::string_view line);
  void append_text(std::string_view text);

  std::string line_;   // the start of a line that has not ended yet
  Reply reply_;        // of the lines so far; '\n' between them
  bool last_ = false;  // the last line of the reply was read
};

// The enhanced code at the start of `text` ("5.1.1 No such user" -> "5.1.1"), empty when there is none of `code`'s
// class.
std::string_view enhanced_code_of(int code, std::string_view text);

}  // namespace hikyaku::smtp
