// What a segment of the log looks like on disk, version 1.
//
//   segment = header (4096 bytes) record* [end mark] [void]
//   record  = record header (56 bytes) envelope content
//
// The header fills a block of its own, so that no append rewrites it. All numbers are little-endian.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "queue/place.h"
#include "queue/queue_id.h"
#include "util/error.h"

namespace hikyaku::queue {

inline constexpr uint32_t kLogVersion = 1;
inline constexpr uint64_t kSegmentSize = 64 << 20;
inline constexpr uint64_t kSegmentHeaderSize = 4096;
inline constexpr uint64_t kRecordHeaderSize = 56;

// A point in the log: everything before it in its segment, and in all earlier segments. Points compare by age.
struct LogPosition {
  uint32_t segment = 0;
  uint64_t offset = 0;
  auto operator<=>(const LogPosition&) const = default;
};

// "Segment `segment` ends at `length`": the bytes beyond are void, whatever they look like.
struct Seal {
  uint32_t segment = 0;
  uint64_t length = 0;
  bool marked = false;  // an end mark stands there too
  bool operator==(const Seal&) const = default;
};

struct SegmentHeader {
  uint32_t number = 0;      // grows by at least 1, never given twice
  uint64_t nonce = 0;       // random: a record without it is left over from the file's earlier life
  uint64_t highest_id = 0;  // of all ids given before this segment
  // The predecessor first; then those earlier segments that lack an end mark of their own. Where two segments
  // speak of the same one, the later is right.
  std::vector<Seal> seals;

  bool operator==(const SegmentHeader&) const = default;
};

// As many as fit into the header's block.
inline constexpr size_t kMaxSeals = 250;

// Exactly kSegmentHeaderSize bytes. At most kMaxSeals seals.
std::string encode_segment_header(const SegmentHeader& header);
// `bytes` must hold kSegmentHeaderSize bytes; the error says what is wrong, and is permanent.
util::Result<SegmentHeader> parse_segment_header(std::string_view bytes);

struct FoundSegmentHeader {
  std::optional<SegmentHeader> header;
  std::string problem;                 // empty when it is as it was written
  std::optional<size_t> changed_byte;  // with `header` and a problem: one bit of this byte has changed
  bool other_version = false;          // it is known, but not for this program: then the file must not be judged
};
// The header of the segment with this number. Where only one bit of it has changed, it is known which.
FoundSegmentHeader find_segment_header(std::string_view bytes, uint32_t number);
// The nonce that a damaged header names, if what is left of it says that it is of the segment with this number. To be
// believed when records have it: by chance, or on purpose, none has it.
std::optional<uint64_t> nonce_of_damaged_header(std::string_view bytes, uint32_t number);

// Added to the flags of place.h; on disk only.
inline constexpr uint32_t kEndMark = 0x8000'0000;  // not a message: the segment ends here

struct RecordHeader {
  uint64_t nonce = 0;
  QueueId id;
  uint32_t flags = 0;
  uint32_t envelope_length = 0;
  uint64_t content_length = 0;
  uint32_t content_crc = 0;  // crc32c of the content
  // Up to here the segment was durable when this record was written. A record that is not whole, although a
  // later one says that it was durable, is damaged; one that nobody vouches for is only torn, and void.
  uint64_t durable_before = 0;

  uint64_t size() const { return kRecordHeaderSize + envelope_length + content_length; }
  bool operator==(const RecordHeader&) const = default;
};

// Bytes of the segment that the record at `place` takes.
inline uint64_t record_size(const Place& place) {
  return kRecordHeaderSize + place.envelope_length + place.content_length;
}

using RecordHeaderBytes = std::array<char, kRecordHeaderSize>;

// The header's own crc32c covers all its other fields and the envelope; by way of content_crc also the content.
void encode_record_header(const RecordHeader& header, std::string_view envelope, RecordHeaderBytes& out);
// Nothing when `bytes` (kRecordHeaderSize of them) do not begin a record of the segment with this nonce. The lengths
// are not to be believed before is_head_whole().
std::optional<RecordHeader> parse_record_header(std::string_view bytes, uint64_t nonce);
// Whether header and envelope are as they were written.
bool is_head_whole(std::string_view header_bytes, std::string_view envelope);

// The first bytes of every record of a segment, by which lost ones are searched for.
std::string record_start(uint64_t nonce);
inline constexpr uint64_t kRecordStartOffset = 4;  // of record_start() inside the header: its crc comes first

}  // namespace hikyaku::queue
