// All of the log, contents included.
#include "queue/log_inspection.h"

#include <algorithm>
#include <optional>

#include "queue/body_reader.h"
#include "queue/known_segment.h"
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
    std::optional<SegmentHeader> header;
    os::UniqueFd fd;
    uint64_t size = 0;
  };

  util::Result<void> list();
  void read_header(Segment& segment, SegmentReport& report);
  util::Result<void> inspect(Segment& segment, SegmentReport& report);
  util::Result<uint64_t> end_of(const Segment& segment, const std::string& file);
  void walk(const Segment& segment, uint64_t end, SegmentReport& report);
  uint64_t after_damage(SegmentWindow& window, uint64_t nonce, uint64_t offset, SegmentReport& report);
  bool take(const Segment& segment, SegmentWindow& window, const RecordHeader& record, uint64_t offset);

  Disk& disk_;
  const std::string& folder_;
  const std::map<uint32_t, uint64_t>& nonces_;
  const Visit& visit_;
  std::vector<Segment> segments_;
  std::map<uint32_t, uint64_t> seals_;
  std::optional<util::Error> visit_failed_;
  std::vector<SegmentReport> reports_;
};

util::Result<std::vector<SegmentReport>> LogInspection::run() {
  if (auto listed = list(); !listed) return std::unexpected(listed.error());
  // All first: the later ones say where the earlier end.
  for (size_t i = 0; i < segments_.size(); ++i) read_header(segments_[i], reports_[i]);
  for (size_t i = 0; i < segments_.size(); ++i) {
    const auto inspected = inspect(segments_[i], reports_[i]);
    if (visit_failed_) return std::unexpected(*visit_failed_);
    if (!inspected) {
      reports_[i].problem = inspected.error().text;
      reports_[i].readable = false;
    }
  }
  return std::move(reports_);
}

// Of a number that is there twice, by an operator's hand, both files are read.
util::Result<void> LogInspection::list() {
  std::vector<std::pair<uint32_t, std::string>> files;
  for (const std::string_view prefix : {std::string_view(), kDamagedPrefix}) {
    const auto numbers = list_numbered(disk_, folder_, prefix);
    if (!numbers) return std::unexpected(numbers.error());
    for (const uint32_t number : *numbers) files.emplace_back(number, folder_ + "/" + numbered_name(prefix, number));
  }
  std::ranges::sort(files);
  for (auto& [number, file] : files) {
    segments_.emplace_back().number = number;
    reports_.emplace_back().file = std::move(file);
  }
  return {};
}

void LogInspection::read_header(Segment& segment, SegmentReport& report) {
  const auto told = nonces_.find(segment.number);
  auto known = know_segment(disk_, report.file, segment.number,
                            told == nonces_.end() ? std::nullopt : std::optional(told->second));
  if (!known) {
    report.problem = known.error().text;
    report.damage.push_back({report.file, 0, kSegmentHeaderSize});
    return;
  }
  report.problem = std::move(known->problem);
  if (known->damage) report.damage.push_back(*known->damage);
  segment.header = std::move(known->header);
  if (!segment.header) return;
  for (const Seal& seal : segment.header->seals) seals_[seal.segment] = seal.length;
}

util::Result<void> LogInspection::inspect(Segment& segment, SegmentReport& report) {
  report.readable = segment.header.has_value();
  if (!report.readable) return {};
  auto fd = disk_.open(report.file, Access::kRead);
  if (!fd) return std::unexpected(fd.error());
  segment.fd = std::move(*fd);
  auto size = disk_.size(segment.fd.get());
  if (!size) return std::unexpected(size.error());
  segment.size = *size;
  const auto end = end_of(segment, report.file);
  if (!end) return std::unexpected(end.error());
  walk(segment, *end, report);
  segment.fd = {};
  return {};
}

// Without a seal it is the segment that was current when the writer stopped, or its successor's header is damaged.
util::Result<uint64_t> LogInspection::end_of(const Segment& segment, const std::string& file) {
  if (const auto seal = seals_.find(segment.number); seal != seals_.end()) return seal->second;
  const auto scanned = scan_segment(disk_, segment.fd.get(), file, *segment.header,
                                    segment.number < segments_.back().number ? Followed::kYes : Followed::kNo);
  if (!scanned) return std::unexpected(scanned.error());
  return scanned->end;
}

void LogInspection::walk(const Segment& segment, uint64_t end, SegmentReport& report) {
  SegmentWindow window(disk_, segment.fd.get(), end, kChunk);
  uint64_t next = 0;
  for (uint64_t offset = kSegmentHeaderSize; offset < end && !visit_failed_; offset = next) {
    const auto record = record_at(window, segment.header->nonce, offset, Depth::kFull);
    if (record && *record) {
      if (((*record)->flags & kEndMark) != 0) return;
      next = offset + (*record)->size();
      if (take(segment, window, **record, offset)) {
        ++report.messages;
        report.bytes += next - offset;
        continue;
      }
    } else {
      next = after_damage(window, segment.header->nonce, offset, report);
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
