// All of the log, contents included.
#include "queue/log_inspection.h"

#include <algorithm>
#include <optional>

#include "queue/body_reader.h"
#include "queue/little_endian.h"
#include "queue/segment_scan.h"

namespace hikyaku::queue {
namespace {

using Visit = std::function<util::Result<void>(int fd, const LogEntry& entry)>;

constexpr uint64_t kChunk = 1 << 20;

class LogInspection {
 public:
  LogInspection(Disk& disk, const std::string& folder, const std::map<uint32_t, uint64_t>& nonces, const Visit& visit)
      : disk_(disk), folder_(folder), nonces_(nonces), visit_(visit) {}

  util::Result<std::vector<SegmentReport>> run();

 private:
  struct Segment {
    uint32_t number = 0;
    SegmentHeader header;
    os::UniqueFd fd;
    uint64_t size = 0;
  };

  void read_header(uint32_t number);
  util::Result<void> inspect(uint32_t number, SegmentReport& report);
  std::optional<uint64_t> nonce_of(const Segment& segment);
  util::Result<uint64_t> end_of(const Segment& segment, const std::string& file);
  void walk(const Segment& segment, uint64_t end, SegmentReport& report);
  uint64_t after_damage(SegmentWindow& window, uint64_t nonce, uint64_t offset, SegmentReport& report);
  bool take(const Segment& segment, SegmentWindow& window, const RecordHeader& record, uint64_t offset);

  Disk& disk_;
  const std::string& folder_;
  const std::map<uint32_t, uint64_t>& nonces_;
  const Visit& visit_;
  std::map<uint32_t, SegmentHeader> headers_;
  std::map<uint32_t, uint64_t> seals_;
  // Of the records so far. (That of a header may be of a message behind it: a group can span segments.)
  uint64_t highest_id_ = 0;
  std::optional<util::Error> visit_failed_;
  std::vector<SegmentReport> reports_;
};

util::Result<std::vector<SegmentReport>> LogInspection::run() {
  const auto numbers = list_segments(disk_, folder_);
  if (!numbers) return std::unexpected(numbers.error());
  reports_.reserve(numbers->size());
  for (const uint32_t number : *numbers) read_header(number);  // all first: the later ones say where the earlier end
  for (size_t i = 0; i < numbers->size(); ++i) {
    SegmentReport& report = reports_[i];
    const auto inspected = inspect((*numbers)[i], report);
    if (visit_failed_) return std::unexpected(*visit_failed_);
    if (!inspected) {
      report.problem = inspected.error().text;
      report.readable = false;
    }
  }
  return std::move(reports_);
}

void LogInspection::read_header(uint32_t number) {
  const std::string path = folder_ + "/" + numbered_name("", number);
  SegmentReport& report = reports_.emplace_back();
  report.file = path;
  auto header = read_segment_header(disk_, path, number);
  if (!header) {
    report.problem = header.error().text;
    report.damage.push_back({path, 0, kSegmentHeaderSize});
    return;
  }
  for (const Seal& seal : header->seals) seals_[seal.segment] = seal.length;
  headers_.emplace(number, std::move(*header));
}

util::Result<void> LogInspection::inspect(uint32_t number, SegmentReport& report) {
  Segment segment;
  segment.number = number;
  auto fd = disk_.open(report.file, Access::kRead);
  if (!fd) return std::unexpected(fd.error());
  segment.fd = std::move(*fd);
  auto size = disk_.size(segment.fd.get());
  if (!size) return std::unexpected(size.error());
  segment.size = *size;
  if (const auto known = headers_.find(number); known != headers_.end()) {
    segment.header = known->second;
  } else {
    const auto nonce = nonce_of(segment);
    report.readable = nonce.has_value();
    if (!nonce) return {};
    segment.header = {.number = number, .nonce = *nonce, .highest_id = 0, .seals = {}};
  }
  const auto end = end_of(segment, report.file);
  if (!end) return std::unexpected(end.error());
  walk(segment, *end, report);
  return {};
}

std::optional<uint64_t> LogInspection::nonce_of(const Segment& segment) {
  if (const auto told = nonces_.find(segment.number); told != nonces_.end()) return told->second;
  SegmentWindow window(disk_, segment.fd.get(), segment.size, kChunk);
  const auto bytes = window.at(kSegmentHeaderSize, kRecordHeaderSize);
  if (!bytes || bytes->size() < kRecordHeaderSize) return std::nullopt;
  const auto nonce = load<uint64_t>(bytes->data() + kRecordStartOffset + sizeof(uint32_t));
  const auto record = record_at(window, nonce, kSegmentHeaderSize, Depth::kFull);
  if (!record || !*record || (*record)->id.value <= highest_id_) return std::nullopt;
  return nonce;
}

// Without a seal it is the segment that was current when the writer stopped, or its successor's header is damaged.
util::Result<uint64_t> LogInspection::end_of(const Segment& segment, const std::string& file) {
  if (const auto seal = seals_.find(segment.number); seal != seals_.end()) return seal->second;
  const auto scanned = scan_segment(disk_, segment.fd.get(), file, segment.header);
  if (!scanned) return std::unexpected(scanned.error());
  return scanned->end;
}

void LogInspection::walk(const Segment& segment, uint64_t end, SegmentReport& report) {
  SegmentWindow window(disk_, segment.fd.get(), end, kChunk);
  uint64_t next = 0;
  for (uint64_t offset = kSegmentHeaderSize; offset < end && !visit_failed_; offset = next) {
    const auto record = record_at(window, segment.header.nonce, offset, Depth::kFull);
    if (record && *record) {
      if (((*record)->flags & kEndMark) != 0) return;
      next = offset + (*record)->size();
      if (take(segment, window, **record, offset)) {
        ++report.messages;
        report.bytes += next - offset;
        continue;
      }
    } else {
      next = after_damage(window, segment.header.nonce, offset, report);
    }
    report.damage.push_back({report.file, offset, next - offset});
  }
}

// Where the next whole record stands, else the end.
uint64_t LogInspection::after_damage(SegmentWindow& window, uint64_t nonce, uint64_t offset, SegmentReport& report) {
  const auto next = find_record(window, nonce, offset + 1, 0, Depth::kFull);
  if (next) return next->value_or(window.end());
  report.problem = next.error().text;
  return window.end();
}

// False when the envelope means nothing, although it is what was written.
bool LogInspection::take(const Segment& segment, SegmentWindow& window, const RecordHeader& record, uint64_t offset) {
  highest_id_ = std::max(highest_id_, record.id.value);
  const auto bytes = window.at(offset + kRecordHeaderSize, record.envelope_length);
  if (!bytes) return false;
  auto envelope = parse_envelope(*bytes);
  const auto place = place_of(window, segment.number, offset, record);
  if (!envelope || !place || !*place) return false;
  const auto visited = visit_(segment.fd.get(), LogEntry{record.id, **place, std::move(*envelope)});
  if (!visited) visit_failed_ = visited.error();
  return visited.has_value();
}

}  // namespace

std::optional<Damage> inspect_body(Disk& disk, const std::string& folder, QueueId id, const BodyReference& reference) {
  Damage damage{folder + "/" + body_name(id), 0, reference.length};
  const auto fd = disk.open(damage.file, Access::kRead);
  const auto size = fd ? disk.size(fd->get()) : util::Result<uint64_t>(uint64_t{0});
  if (!fd || !size) return damage;
  if (*size < reference.length) {
    damage.offset = *size;
    damage.length -= *size;
    return damage;
  }
  BodyReader reader(fd->get(), id, reference);
  std::vector<char> buffer(kChunk);
  for (;;) {
    const auto length = reader.next(buffer);
    if (!length) return damage;
    if (*length == 0) return std::nullopt;
  }
}

util::Result<std::vector<SegmentReport>> inspect_log(
    Disk& disk, const std::string& folder, const std::map<uint32_t, uint64_t>& nonces,
    const std::function<util::Result<void>(int fd, const LogEntry& entry)>& visit) {
  return LogInspection(disk, folder, nonces, visit).run();
}

}  // namespace hikyaku::queue
