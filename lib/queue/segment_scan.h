// Finds the whole records of a segment, and the end of one whose writer was interrupted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "queue/damage.h"
#include "queue/disk.h"
#include "queue/log_format.h"
#include "queue/place.h"
#include "queue/segment_window.h"
#include "util/error.h"

namespace hikyaku::queue {

// Numbers of the segments in a folder, the oldest first.
util::Result<std::vector<uint32_t>> list_segments(Disk& disk, const std::string& folder);

enum class Depth {
  kHead,  // header and envelope
  kFull,  // and content, which must be read for it
};

// The record at `offset`, if a whole one of the segment with this nonce stands there and ends before the window does.
util::Result<std::optional<RecordHeader>> record_at(SegmentWindow& window, uint64_t nonce, uint64_t offset,
                                                    Depth depth);

// Where that record stands, as readers are told. Nothing when it speaks of a body and its reference is damaged.
util::Result<std::optional<Place>> place_of(SegmentWindow& window, uint32_t segment, uint64_t offset,
                                            const RecordHeader& record);

// Where the next whole record at or after `offset` stands whose durable_before is more than `vouched`.
util::Result<std::optional<uint64_t>> find_record(SegmentWindow& window, uint64_t nonce, uint64_t offset,
                                                  uint64_t vouched, Depth depth);

struct ScannedSegment {
  uint64_t end = kSegmentHeaderSize;  // behind the last whole record; what follows is void
  bool marked = false;                // an end mark stands there
  uint64_t highest_id = 0;            // of its records
  std::vector<Damage> damage;
};

enum class Followed {
  kNo,   // it was current when its writer stopped: a group at its end may be torn
  kYes,  // another segment followed, so all that was written to it had become durable
};
// The whole segment with all contents: for one of which no seal tells where it ends.
util::Result<ScannedSegment> scan_segment(Disk& disk, int fd, const std::string& file, const SegmentHeader& header,
                                          Followed followed = Followed::kNo);

}  // namespace hikyaku::queue
