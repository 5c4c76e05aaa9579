// What is known of a segment, also when its header is damaged: README.md, "Damage in a segment's header". Writer,
// readers and commands all ask here, so that they come to the same answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "queue/damage.h"
#include "queue/disk.h"
#include "queue/log_format.h"
#include "util/error.h"

namespace hikyaku::queue {

struct KnownSegment {
  // As it was written; with `by_records` only number and nonce. Nothing: no record can be told from what is void.
  std::optional<SegmentHeader> header;
  bool by_records = false;  // the header is lost, and with it the highest id and the seals that it told
  std::optional<Damage> damage;
  std::string problem;  // what the damage is

  // It tells the seals of those before it.
  bool has_seals() const { return header && !by_records; }
};

// The segment in the file at `path`, which is named by `number`. `nonce`: as somebody else knows it, who is believed.
// Errors name the path: the disk does not read, or the segment is of another version (permanent).
util::Result<KnownSegment> know_segment(Disk& disk, const std::string& path, uint32_t number,
                                        std::optional<uint64_t> nonce = {});

}  // namespace hikyaku::queue
