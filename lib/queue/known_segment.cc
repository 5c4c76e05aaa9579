// Knowing segments.
#include "queue/known_segment.h"

#include "queue/little_endian.h"
#include "queue/segment_scan.h"

namespace hikyaku::queue {
namespace {

constexpr uint64_t kChunk = 64 << 10;

// Of the first record, if it is whole: what stands there was written in this life of the file, see
// LogWriter::make_segment(). A record elsewhere could be a stranger's text.
util::Result<std::optional<uint64_t>> nonce_of_first_record(SegmentWindow& window) {
  const auto bytes = window.at(kSegmentHeaderSize, kRecordHeaderSize);
  if (!bytes) return std::unexpected(bytes.error());
  if (bytes->size() < kRecordHeaderSize) return std::nullopt;
  const auto nonce = load<uint64_t>(bytes->data() + kRecordStartOffset + sizeof(uint32_t));
  const auto record = record_at(window, nonce, kSegmentHeaderSize, Depth::kFull);
  if (!record) return std::unexpected(record.error());
  return *record ? std::optional(nonce) : std::nullopt;
}

util::Result<std::optional<uint64_t>> nonce_of_records(SegmentWindow& window, std::optional<uint64_t> told) {
  auto nonce = nonce_of_first_record(window);
  if (!nonce || *nonce || !told) return nonce;
  const auto record = find_record(window, *told, kSegmentHeaderSize, 0, Depth::kHead);
  if (!record) return std::unexpected(record.error());
  return *record ? told : std::nullopt;
}

}  // namespace

util::Result<KnownSegment> know_segment(Disk& disk, const std::string& path, uint32_t number,
                                        std::optional<uint64_t> nonce) {
  auto fd = disk.open(path, Access::kRead);
  if (!fd) return std::unexpected(fd.error());
  const auto size = disk.size(fd->get());
  if (!size) return util::temporary(path + ": " + size.error().text);
  std::string bytes(kSegmentHeaderSize, '\0');
  const auto read = disk.pread(fd->get(), bytes, 0);
  bytes.resize(read ? *read : 0);
  FoundSegmentHeader found = find_segment_header(bytes, number);
  if (found.other_version) return util::permanent(path + ": " + found.problem);

  KnownSegment known;
  known.header = std::move(found.header);
  if (!found.problem.empty()) known.problem = path + ": " + found.problem;
  if (known.header) {
    if (found.changed_byte) known.damage = Damage{path, *found.changed_byte, 1};
    return known;
  }
  known.problem = path + ": " + (read ? found.problem : read.error().text);
  if (!nonce) {
    SegmentWindow window(disk, fd->get(), *size, kChunk);
    const auto of_records = nonce_of_records(window, nonce_of_damaged_header(bytes, number));
    if (!of_records) return util::temporary(path + ": " + of_records.error().text);
    nonce = *of_records;
  }
  // A disk that reads nothing may read later.
  if (!nonce && !read) return util::temporary(known.problem);
  known.damage = Damage{path, 0, nonce ? kSegmentHeaderSize : *size};
  if (!nonce) return known;
  known.header = SegmentHeader{.number = number, .nonce = *nonce, .highest_id = 0, .seals = {}};
  known.by_records = true;
  return known;
}

}  // namespace hikyaku::queue
