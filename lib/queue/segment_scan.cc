// Scanning of segments.
#include "queue/segment_scan.h"

#include <algorithm>

#include "queue/body_format.h"
#include "queue/crc32c.h"

namespace hikyaku::queue {
namespace {

constexpr uint64_t kScanChunk = 1 << 20;

util::Result<bool> is_content_whole(SegmentWindow& window, const RecordHeader& header, uint64_t offset) {
  offset += kRecordHeaderSize + header.envelope_length;
  uint32_t crc = 0;
  for (uint64_t rest = header.content_length; rest > 0;) {
    auto bytes = window.at(offset, std::min(rest, kScanChunk));
    if (!bytes) return std::unexpected(bytes.error());
    if (bytes->empty()) return false;
    crc = extend_crc32c(crc, *bytes);
    offset += bytes->size();
    rest -= bytes->size();
  }
  return crc == header.content_crc;
}

}  // namespace

util::Result<std::vector<uint32_t>> list_segments(Disk& disk, const std::string& folder) {
  return list_numbered(disk, folder, "");
}

util::Result<std::optional<RecordHeader>> record_at(SegmentWindow& window, uint64_t nonce, uint64_t offset,
                                                    Depth depth) {
  auto head = window.at(offset, kRecordHeaderSize);
  if (!head) return std::unexpected(head.error());
  const auto header = parse_record_header(*head, nonce);
  if (!header) return std::nullopt;
  // Compared this way round, because a damaged length may be any number.
  const uint64_t room = window.end() - offset - kRecordHeaderSize;
  if (header->envelope_length > room || header->content_length > room - header->envelope_length) return std::nullopt;
  head = window.at(offset, kRecordHeaderSize + header->envelope_length);
  if (!head) return std::unexpected(head.error());
  if (head->size() < kRecordHeaderSize + header->envelope_length) return std::nullopt;
  if (!is_head_whole(*head, head->substr(kRecordHeaderSize))) return std::nullopt;
  if (depth == Depth::kFull) {
    auto whole = is_content_whole(window, *header, offset);
    if (!whole) return std::unexpected(whole.error());
    if (!*whole) return std::nullopt;
  }
  return header;
}

util::Result<std::optional<Place>> place_of(SegmentWindow& window, uint32_t segment, uint64_t offset,
                                            const RecordHeader& record) {
  Place place{segment, record.nonce, offset, record.envelope_length, record.content_length, record.flags, 0};
  if (!place.has_body()) return place;
  const auto bytes = window.at(offset + kRecordHeaderSize + record.envelope_length, place.reference_length());
  if (!bytes) return std::unexpected(bytes.error());
  const auto reference = parse_body_reference(*bytes);
  if (!reference) return std::nullopt;
  place.body_length = reference->length;
  return place;
}

util::Result<std::optional<uint64_t>> find_record(SegmentWindow& window, uint64_t nonce, uint64_t offset,
                                                  uint64_t vouched, Depth depth) {
  const std::string start = record_start(nonce);
  for (uint64_t at = offset + kRecordStartOffset;;) {
    auto bytes = window.at(at, kScanChunk);
    if (!bytes) return std::unexpected(bytes.error());
    if (bytes->size() < start.size()) return std::nullopt;
    const size_t found = bytes->find(start);
    if (found == std::string_view::npos) {
      at += bytes->size() - start.size() + 1;
      continue;
    }
    const uint64_t candidate = at + found - kRecordStartOffset;
    auto record = record_at(window, nonce, candidate, depth);
    if (!record) return std::unexpected(record.error());
    if (*record && (*record)->durable_before > vouched) return candidate;
    at += found + 1;
  }
}

util::Result<ScannedSegment> scan_segment(Disk& disk, int fd, const std::string& file, const SegmentHeader& header,
                                          Followed followed) {
  auto size = disk.size(fd);
  if (!size) return std::unexpected(size.error());
  SegmentWindow window(disk, fd, *size, kScanChunk);
  ScannedSegment result;
  for (;;) {
    auto record = record_at(window, header.nonce, result.end, Depth::kFull);
    if (!record) return std::unexpected(record.error());
    if (*record) {
      result.marked = ((*record)->flags & kEndMark) != 0;
      if (result.marked) return result;
      result.highest_id = std::max(result.highest_id, (*record)->id.value);
      result.end += (*record)->size();
      continue;
    }
    const uint64_t vouched = followed == Followed::kYes ? 0 : result.end;
    auto voucher = find_record(window, header.nonce, result.end + 1, vouched, Depth::kFull);
    if (!voucher) return std::unexpected(voucher.error());
    if (!*voucher) return result;
    // It was durable, so what was written together with it counts as well.
    auto next = find_record(window, header.nonce, result.end + 1, 0, Depth::kFull);
    if (!next) return std::unexpected(next.error());
    util::ensure(next->has_value(), "the voucher itself is a whole record");
    result.damage.push_back({file, result.end, **next - result.end});
    result.end = **next;
  }
}

}  // namespace hikyaku::queue
