// A stranger's text made fit for a report: one line, printable, not too long, in the encodings that RFC 3464 and 6533
// ask for.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace hikyaku::bounce {

// Most bytes of a stranger's text in one line: with what stands before it the line stays below 998 (RFC 5322
// section 2.1.1).
inline constexpr size_t kLongestText = 900;

// White space of any kind becomes single spaces, control characters and bytes that are not UTF-8 become '?'; what is
// longer than `limit` bytes ends in "...".
std::string one_line(std::string_view text, size_t limit = kLongestText);
// The same in ASCII: every character beyond it becomes '?'.
std::string ascii_line(std::string_view text, size_t limit = kLongestText);

bool has_eight_bit(std::string_view text);

// "+3D" → "=" (RFC 3461 section 4); what is not xtext stays as it is.
std::string decode_xtext(std::string_view text);

// The value of Final-Recipient: "rfc822; user@example.com", and for a UTF-8 address "utf-8; \x{FC}ser@example.com",
// which is ASCII too (RFC 6533 section 3, utf-8-addr-xtext).
std::string typed_address(std::string_view address);

// `text` in lines of about 72 columns, broken at spaces only, each behind `indent`.
void append_wrapped(std::string& out, std::string_view indent, std::string_view text);

}  // namespace hikyaku::bounce
