// How much of an undelivered message goes back with its report: all of it, or its header.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace hikyaku::bounce {

struct ReturnedContent {
  std::string text;    // complete lines with CRLF, none longer than 990 bytes, without NUL, lone CR or lone LF
  bool whole = false;  // the message as it was; else its header
  bool cut = false;    // the header is not complete: it, or a line of it, was too long

  bool operator==(const ReturnedContent&) const = default;
};

// The whole message when it is wanted, has no more than `limit` bytes, and can be sent anywhere as it stands; otherwise
// its header, made so: a report must be deliverable whatever the message was.
ReturnedContent returned_content(std::string_view original, size_t limit, bool headers_only);

}  // namespace hikyaku::bounce
