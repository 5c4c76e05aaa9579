// One message out of the log by its place, on a segment's descriptor: for the daemons that deliver or show it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "queue/body_format.h"
#include "queue/envelope.h"
#include "queue/place.h"
#include "queue/queue_id.h"
#include "util/error.h"

namespace hikyaku::queue {

// Whether the content that was read is the one that was accepted. Feed it all, in order, before the final dot.
class ContentCheck {
 public:
  ContentCheck() = default;
  ContentCheck(uint64_t length, uint32_t crc) : length_(length), expected_(crc) {}

  void extend(std::string_view bytes);
  bool intact() const { return seen_ == length_ && crc_ == expected_; }

 private:
  uint64_t length_ = 0;
  uint64_t seen_ = 0;
  uint32_t expected_ = 0;
  uint32_t crc_ = 0;
};

struct CheckedRecord {
  ContentCheck check;  // nothing of what is sent fed to it yet
  BodyReference body;  // what follows the content, with kHasBody
};
struct RecordHead {
  Envelope envelope;
  ContentCheck check;
  BodyReference body;
};

// Header and envelope of the record at `place`. Permanent error when another record stands there (a recycled segment, a
// wrong id, a damaged header), so that not a byte of it is sent; temporary when the disk could not be read.
util::Result<RecordHead> read_head(int fd, QueueId id, const Place& place);
// The same without the envelope, for who has it already.
util::Result<CheckedRecord> check_record(int fd, QueueId id, const Place& place);

struct RecordBytes {
  std::string envelope;  // as append_envelope wrote it
  std::string content;   // all that stands in the segment, with the reference to a body
};
// The whole record at `place`, for a copy of it. Permanent error, besides those of read_head, when the content is
// damaged.
util::Result<RecordBytes> read_record(int fd, QueueId id, const Place& place);

// Fills `buffer` with content from `offset` (0 is its first byte) on; fewer bytes only at the end of what stands in the
// segment: place.head_length().
util::Result<size_t> read_content(int fd, const Place& place, uint64_t offset, std::span<char> buffer);

}  // namespace hikyaku::queue
