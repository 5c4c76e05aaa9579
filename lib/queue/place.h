// Where in the log a message stands.
#pragma once

#include <algorithm>
#include <cstdint>

namespace hikyaku::queue {

inline constexpr uint32_t kHasDotLine = 1;    // some line of the content begins with a dot: stuff it on sending
inline constexpr uint32_t kMoved = 2;         // a copy made by reclaim: it is no new message (README.md, "Steps" 6)
inline constexpr uint32_t kEightBit = 4;      // the content has a byte above 127
inline constexpr uint32_t kHasBody = 8;       // the content's greater part stands in a file of its own: body_format.h
inline constexpr uint32_t kHasLongLine = 16;  // some line has more than 998 octets without its CRLF
inline constexpr uint32_t kUtf8Header = 32;   // sent with SMTPUTF8, and its header has a byte above 127

// Bytes of the reference to that file, at the front of the content in the segment: body_format.h.
inline constexpr uint64_t kBodyReferenceSize = 24;

struct Place {
  uint32_t segment = 0;          // number of the segment file
  uint64_t nonce = 0;            // the segment's, so that a recycled file is never mistaken for it
  uint64_t offset = 0;           // of the record, from the start of the file
  uint32_t envelope_length = 0;  // bytes
  uint64_t content_length = 0;   // bytes in the segment
  uint32_t flags = 0;            // kHasDotLine …
  uint64_t body_length = 0;      // bytes in the file of its own; 0 without kHasBody

  bool has_body() const { return (flags & kHasBody) != 0; }
  // Bytes in the segment before those that are sent, and these.
  uint64_t reference_length() const { return has_body() ? std::min(content_length, kBodyReferenceSize) : 0; }
  uint64_t head_length() const { return content_length - reference_length(); }
  // Bytes that are sent.
  uint64_t message_size() const { return head_length() + body_length; }

  // Of one message, the record that was written later.
  bool is_later_than(const Place& other) const {
    return segment != other.segment ? segment > other.segment : offset > other.offset;
  }

  bool operator==(const Place&) const = default;
};

}  // namespace hikyaku::queue
