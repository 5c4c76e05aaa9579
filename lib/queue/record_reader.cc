// Reading one record.
#include "queue/record_reader.h"

#include <algorithm>
#include <string>

#include "os/file.h"
#include "queue/crc32c.h"
#include "queue/log_format.h"

namespace hikyaku::queue {
namespace {

std::string where(const Place& place) {
  return "segment " + std::to_string(place.segment) + ", offset " + std::to_string(place.offset);
}

struct CheckedHead {
  std::string bytes;  // header, envelope, reference to the body
  CheckedRecord record;
};

util::Result<CheckedHead> read_checked(int fd, QueueId id, const Place& place) {
  CheckedHead head;
  head.bytes.resize(kRecordHeaderSize + place.envelope_length + place.reference_length());
  auto read = os::read_at(fd, head.bytes, place.offset);
  if (!read) return util::temporary(where(place) + ": " + read.error().text);
  if (*read < head.bytes.size()) return util::permanent(where(place) + ": the segment ends before the record does");
  const auto header = parse_record_header(head.bytes, place.nonce);
  const bool same = header && header->id == id && header->envelope_length == place.envelope_length &&
                    header->content_length == place.content_length && ((header->flags ^ place.flags) & kHasBody) == 0;
  if (!same) return util::permanent(where(place) + ": another record than " + to_text(id));
  const std::string_view bytes = head.bytes;
  if (!is_head_whole(bytes, bytes.substr(kRecordHeaderSize, place.envelope_length)))
    return util::permanent(where(place) + ": damaged");
  head.record.check = {header->content_length, header->content_crc};
  if (!place.has_body()) return head;
  const std::string_view reference_bytes = bytes.substr(kRecordHeaderSize + place.envelope_length);
  const auto reference = parse_body_reference(reference_bytes);
  if (!reference || reference->length != place.body_length)
    return util::permanent(where(place) + ": its reference to " + body_name(id) + " is damaged");
  head.record.check.extend(reference_bytes);
  head.record.body = *reference;
  return head;
}

}  // namespace

void ContentCheck::extend(std::string_view bytes) {
  seen_ += bytes.size();
  crc_ = extend_crc32c(crc_, bytes);
}

util::Result<RecordHead> read_head(int fd, QueueId id, const Place& place) {
  auto head = read_checked(fd, id, place);
  if (!head) return std::unexpected(head.error());
  auto envelope = parse_envelope(std::string_view(head->bytes).substr(kRecordHeaderSize, place.envelope_length));
  if (!envelope) return util::permanent(where(place) + ": " + envelope.error().text);
  return RecordHead{std::move(*envelope), head->record.check, head->record.body};
}

util::Result<CheckedRecord> check_record(int fd, QueueId id, const Place& place) {
  auto head = read_checked(fd, id, place);
  if (!head) return std::unexpected(head.error());
  return head->record;
}

util::Result<RecordBytes> read_record(int fd, QueueId id, const Place& place) {
  auto head = read_checked(fd, id, place);
  if (!head) return std::unexpected(head.error());
  const uint64_t reference = place.reference_length();
  RecordBytes record{head->bytes.substr(kRecordHeaderSize, place.envelope_length),
                     head->bytes.substr(kRecordHeaderSize + place.envelope_length)};
  record.content.resize(place.content_length);
  auto read = read_content(fd, place, 0, std::span(record.content).subspan(reference));
  if (!read) return std::unexpected(read.error());
  ContentCheck check = head->record.check;
  check.extend(std::string_view(record.content).substr(reference, *read));
  if (!check.intact()) return util::permanent(where(place) + ": its content is damaged");
  return record;
}

util::Result<size_t> read_content(int fd, const Place& place, uint64_t offset, std::span<char> buffer) {
  if (offset >= place.head_length()) return size_t{0};
  const uint64_t length = std::min<uint64_t>(buffer.size(), place.head_length() - offset);
  const uint64_t start = place.offset + kRecordHeaderSize + place.envelope_length + place.reference_length();
  auto read = os::read_at(fd, buffer.first(length), start + offset);
  if (!read) return util::temporary(where(place) + ": " + read.error().text);
  return read;
}

}  // namespace hikyaku::queue
