// Mail with octets above 127 made into mail without them, for a next hop that does not take them (RFC 6152 section 3).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mime/content_type.h"
#include "mime/quoted_printable.h"

namespace hikyaku::mime {

// Content in pieces, with CRLF line ends and no LF alone; what comes out does not depend on how it was cut. Only leaves
// of the MIME tree are encoded, as RFC 2045 section 6.4 has it, in quoted-printable:
//
//   labelled 8bit or binary  -> encoded, whatever is in it: the label goes out before the body is seen.
//   labelled 7bit, or not    -> as it came, if it has no octet above 127: what was signed stays signed. Else encoded.
//                               It is held back until that is known, up to 64 KiB; a longer one is encoded unseen.
//   any other label          -> as it came: it is encoded already, or in a way that nobody knows.
//
// A leaf that is encoded keeps its Content-Type, or gets "text/plain; charset=unknown-8bit"; a multipart without a
// boundary that could be found, or nested too deep, is such a leaf too. A multipart or message that is labelled 8bit or
// binary becomes 7bit. A message of which something changes, or might, gets its MIME-Version. message/rfc822 is
// descended into, message/global and its kin (RFC 6532, 6533) are leaves, and of other message/* nothing is changed:
// they may not be encoded. Before the first part of a multipart and behind its last, octets above 127 become "=XX".
//
// Octets above 127 stay where nothing can be done: in header fields, which have no charset, and in what goes as it
// came.
//
// Broken mail keeps all that it has. A part ends where any multipart around it says so; one whose first line is no
// header field is all body; one whose header is longer than 512 KiB, or never ends, goes as it came.
class SevenBit {
 public:
  // Appends what is known of the result so far.
  void append(std::string_view content, std::string& out);
  void end(std::string& out);

 private:
  enum class At : uint8_t { kHeader, kLongHeader, kBody };
  // What becomes of the body.
  enum class Body : uint8_t {
    kAsItCame,
    kHeld,     // nothing above 127 so far
    kEncoded,  // by `encoder_`
    kEscaped,  // octets above 127 alone
  };
  struct Multipart {
    std::string boundary;
    bool digest = false;  // its parts are messages unless they say otherwise
  };
  struct Delimiter {
    size_t level = 0;  // in `open_`
    bool closes = false;
  };

  void take(std::string_view piece, bool is_line, std::string& out);
  std::optional<Delimiter> delimiter(std::string_view line) const;
  void take_delimiter(Delimiter found, std::string_view line, std::string& out);
  void begin_entity(bool is_message, bool in_digest);
  void take_header(std::string_view piece, std::string& out);
  void end_header(std::string& out);
  void begin_leaf(TransferEncoding label, std::string& out);
  void write_composite(TransferEncoding label, std::string& out);
  void write_header(std::string_view label, bool needs_type, std::string& out) const;
  void take_body(std::string_view piece, std::string& out);
  void begin_encoding(std::string& out);
  void end_entity(std::string& out);

  std::string piece_;       // the beginning of a line
  bool line_start_ = true;  // `piece_` begins at the line's front
  std::vector<Multipart> open_;

  // Of the entity that is read.
  At at_ = At::kHeader;
  Body body_ = Body::kAsItCame;
  bool is_message_ = true;
  bool in_digest_ = false;
  bool needs_type_ = false;  // it has none that can stay
  std::string held_;         // its header, then as much of its body as is held back
  size_t header_size_ = 0;   // of it in `held_`
  QuotedPrintableEncoder encoder_;
};

}  // namespace hikyaku::mime
