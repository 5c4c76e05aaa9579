// A message that is too big for the shared segments: its header and perhaps a first part of its body stand in the log,
// the rest in a file of its own. What that file is called, and how the log speaks of it, version 1.
//
//   log/body-ID      the bytes as they will be sent, nothing else
//   log/new-body-ID  the same while it is written; the id is not yet a message's
//
// The content of a record with kHasBody begins with a reference to the file:
//
//   crc32c u32 of the rest of the reference; magic u32; length u64; crc32c u32 of the file; zero u32
//
// It has a checksum of its own, so that who follows the log need not read contents to know the file's length.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "queue/place.h"
#include "queue/queue_id.h"

namespace hikyaku::queue {

struct BodyReference {
  uint64_t length = 0;  // of the file
  uint32_t crc = 0;     // crc32c of all of it

  bool operator==(const BodyReference&) const = default;
};

// Exactly kBodyReferenceSize bytes.
std::string encode_body_reference(const BodyReference& reference);
// Nothing when `content` does not begin with a whole one.
std::optional<BodyReference> parse_body_reference(std::string_view content);

std::string body_name(QueueId id);
std::string unfinished_body_name(QueueId id);
// Nothing for any other name.
std::optional<QueueId> parse_body_name(std::string_view name);
std::optional<QueueId> parse_unfinished_body_name(std::string_view name);

}  // namespace hikyaku::queue
