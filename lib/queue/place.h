// Where in the log a message stands.
#pragma once

#include <cstdint>

namespace hikyaku::queue {

struct Place {
  uint32_t segment = 0;          // number of the segment file
  uint64_t nonce = 0;            // the segment's, so that a recycled file is never mistaken for it
  uint64_t offset = 0;           // of the record, from the start of the file
  uint32_t envelope_length = 0;  // bytes
  uint64_t content_length = 0;   // bytes
  uint32_t flags = 0;            // kHasDotLine …

  bool operator==(const Place&) const = default;
};

inline constexpr uint32_t kHasDotLine = 1;  // some line of the content begins with a dot: stuff it on sending
inline constexpr uint32_t kMoved = 2;       // a copy made by reclaim: replay updates a known id, ignores an unknown one
inline constexpr uint32_t kEightBit = 4;    // the content has a byte above 127

}  // namespace hikyaku::queue
