// Takes the content out of the octets behind DATA: finds its end, removes dot-stuffing (RFC 5321 section 4.5.2), makes
// every line end CRLF. Or out of those of BDAT (RFC 3030), which have no end of their own and are not dot-stuffed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hikyaku::smtp {

// Only CRLF "." CRLF, or "." CRLF at the very start, ends the content. Anything else that some server somewhere takes
// for an end (LF.LF, LF.CRLF, CRLF.LF, CR.CR …) stays content and comes out in a form that has one reading only: the
// output holds CR and LF as CRLF pairs alone, so that no later hop finds an end that we did not see (SMTP smuggling).
//
//   bare LF   -> CRLF, as smtpd_forbid_bare_newline = normalize has it: programs that send files by the line mean that.
//   bare CR   -> a space. It is not a line end anywhere that mail comes from today, and dropping it would join words.
//   leading dot behind CRLF or a bare LF -> removed, but a line of one dot alone that does not end the content is kept:
//                nobody who stuffs dots sends that, so the dot is the author's own.
class DataDecoder {
 public:
  // A new message. `limit` is in octets of decoded content, 0 for none.
  void start(uint64_t limit);

  struct Step {
    size_t used = 0;    // octets of the input that belong to this message
    bool done = false;  // its end was among them
  };
  // Appends to `content`. Beyond the limit nothing more is appended, but the end is still looked for.
  Step decode(std::string_view bytes, std::string& content);
  // Instead of decode(): a piece of a chunk. A dot is an octet like any other; CR and LF come out as above.
  void decode_chunk(std::string_view bytes, std::string& content);
  // Behind the last chunk: a CR may have been its last octet.
  void end_chunks(std::string& content);

  uint64_t size() const { return size_; }  // decoded octets, also those beyond the limit
  bool over_limit() const { return limit_ != 0 && size_ > limit_; }
  bool has_dot_line() const { return has_dot_line_; }    // a line of the decoded content begins with '.'
  bool has_long_line() const { return has_long_line_; }  // one has more than kLongestLine octets
  bool eight_bit() const { return eight_bit_; }
  bool has_bare_newline() const { return has_bare_newline_; }  // an LF came without a CR before it

 private:
  // Where the next octet stands. "After LF" states cannot lead to the end of the content.
  enum class At : uint8_t {
    kLineStart,    // behind CRLF, or at the very start
    kLfLineStart,  // behind a bare LF
    kInLine,
    kCr,       // behind a CR that is not written yet
    kDot,      // behind a dot at kLineStart that is not written yet
    kLfDot,    // behind a dot at kLfLineStart, the same
    kDotCr,    // behind a CR behind kDot
    kLfDotCr,  // behind a CR behind kLfDot
  };

  size_t copy_plain(std::string_view bytes, size_t from, size_t& lf, std::string& content);
  bool step(char c, std::string& content);
  bool step_at_dot(char c, std::string& content);
  void put_text(std::string_view text, std::string& content);
  void put_line_end(std::string_view text, std::string& content);
  void put(std::string_view bytes, std::string& content);
  void lengthen_line(size_t octets);

  uint64_t limit_ = 0;
  uint64_t size_ = 0;
  uint64_t line_length_ = 0;  // octets of the line that is not at its end
  At at_ = At::kLineStart;
  bool has_dot_line_ = false;
  bool has_long_line_ = false;
  bool eight_bit_ = false;
  bool has_bare_newline_ = false;
};

}  // namespace hikyaku::smtp
