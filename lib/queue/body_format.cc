// References to bodies, and the names of their files.
#include "queue/body_format.h"

#include "queue/crc32c.h"
#include "queue/little_endian.h"

namespace hikyaku::queue {
namespace {

constexpr uint32_t kMagic = 0x59444f42;  // "BODY"
constexpr std::string_view kPrefix = "body-";
constexpr std::string_view kUnfinished = "new-body-";

// Offsets in a reference.
constexpr size_t kCrc = 0;
constexpr size_t kMagicAt = 4;
constexpr size_t kLength = 8;
constexpr size_t kBodyCrc = 16;
constexpr size_t kReserved = 20;  // zero
static_assert(kReserved + 4 == kBodyReferenceSize);

std::optional<QueueId> parse_name(std::string_view prefix, std::string_view name) {
  return name.starts_with(prefix) ? parse_queue_id(name.substr(prefix.size())) : std::nullopt;
}

}  // namespace

std::string encode_body_reference(const BodyReference& reference) {
  std::string bytes(kBodyReferenceSize, '\0');
  store(&bytes[kMagicAt], kMagic);
  store(&bytes[kLength], reference.length);
  store(&bytes[kBodyCrc], reference.crc);
  store(&bytes[kCrc], crc32c(std::string_view(bytes).substr(kMagicAt)));
  return bytes;
}

std::optional<BodyReference> parse_body_reference(std::string_view content) {
  if (content.size() < kBodyReferenceSize) return std::nullopt;
  const std::string_view covered = content.substr(kMagicAt, kBodyReferenceSize - kMagicAt);
  if (load<uint32_t>(&content[kCrc]) != crc32c(covered) || load<uint32_t>(&content[kMagicAt]) != kMagic)
    return std::nullopt;
  return BodyReference{load<uint64_t>(&content[kLength]), load<uint32_t>(&content[kBodyCrc])};
}

std::string body_name(QueueId id) { return std::string(kPrefix) + to_text(id); }

std::string unfinished_body_name(QueueId id) { return std::string(kUnfinished) + to_text(id); }

std::optional<QueueId> parse_body_name(std::string_view name) { return parse_name(kPrefix, name); }

std::optional<QueueId> parse_unfinished_body_name(std::string_view name) { return parse_name(kUnfinished, name); }

}  // namespace hikyaku::queue
