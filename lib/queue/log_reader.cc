// Following the log.
#include "queue/log_reader.h"

#include <algorithm>

#include "queue/body_files.h"
#include "queue/segment_scan.h"

namespace hikyaku::queue {
namespace {

// Large enough for some 15 messages of 4 KiB, small enough that passing over big contents is not reading them.
constexpr uint64_t kFollowChunk = 64 << 10;

}  // namespace

LogReader::LogReader(Disk& disk, std::string folder) : disk_(&disk), folder_(std::move(folder)) {}

util::Result<LogPosition> LogReader::read_entries(LogPosition from, std::optional<LogPosition> durable_end,
                                                  size_t limit, std::vector<LogEntry>& out,
                                                  std::vector<Damage>& damage) {
  const size_t entries_before = out.size();
  const size_t damage_before = damage.size();
  auto position = read_on(from, durable_end, entries_before + limit, out, damage);
  if (!position) {
    out.resize(entries_before);
    damage.resize(damage_before);
  }
  return position;
}

util::Result<LogPosition> LogReader::read_on(LogPosition from, std::optional<LogPosition> durable_end, size_t wanted,
                                             std::vector<LogEntry>& out, std::vector<Damage>& damage) {
  LogPosition position = from;
  while (out.size() < wanted) {
    auto entered = enter(position, durable_end);
    if (!entered) return std::unexpected(entered.error());
    if (!*entered) break;
    auto extent = extent_of_current(durable_end);
    if (!extent) return std::unexpected(extent.error());
    auto exhausted = read_segment(position, extent->end, wanted, out, damage);
    if (!exhausted) return std::unexpected(exhausted.error());
    if (!*exhausted || extent->last) break;
    position = {position.segment + 1, 0};
  }
  return position;
}

// Opens the segment of `position`, or the next one that exists. False when there is none to read.
util::Result<bool> LogReader::enter(LogPosition& position, std::optional<LogPosition> durable_end) {
  if (!current_ || current_->number != position.segment) {
    current_.reset();
    if (auto loaded = load_headers(); !loaded) return std::unexpected(loaded.error());
    const auto next = headers_.lower_bound(position.segment);
    if (next == headers_.end() || (durable_end && next->first > durable_end->segment)) return false;
    auto fd = open_segment(next->first);
    if (!fd) return std::unexpected(fd.error());
    auto size = disk_->size(fd->get());
    if (!size) return std::unexpected(size.error());
    if (next->first != position.segment) position = {next->first, 0};
    current_ = OpenSegment{next->first, next->second.nonce, path(next->first), std::move(*fd), *size, {}};
  }
  position.offset = std::max(position.offset, kSegmentHeaderSize);
  return true;
}

util::Result<void> LogReader::load_headers() {
  auto numbers = segments();
  if (!numbers) return std::unexpected(numbers.error());
  std::map<uint32_t, SegmentHeader> found;
  for (const uint32_t number : *numbers) {
    if (const auto known = headers_.find(number); known != headers_.end()) {
      found.insert(*known);
      continue;
    }
    auto header = read_segment_header(*disk_, path(number), number);
    if (!header) return std::unexpected(header.error());
    found.emplace(number, std::move(*header));
  }
  headers_ = std::move(found);
  seals_.clear();
  for (const auto& [number, header] : headers_) {
    for (const Seal& seal : header.seals) seals_[seal.segment] = seal.length;
  }
  return {};
}

util::Result<LogReader::Extent> LogReader::extent_of_current(std::optional<LogPosition> durable_end) {
  if (durable_end && current_->number == durable_end->segment) return Extent{durable_end->offset, true};
  const auto has_successor = [&] { return headers_.upper_bound(current_->number) != headers_.end(); };
  if (!has_successor()) {
    if (auto loaded = load_headers(); !loaded) return std::unexpected(loaded.error());
  }
  if (!has_successor()) {
    if (durable_end) return util::temporary(path(durable_end->segment) + ": the current segment is not there");
    if (!current_->scanned_end) {
      auto scanned = scan_segment(*disk_, current_->fd.get(), current_->file, headers_.at(current_->number));
      if (!scanned) return util::temporary(current_->file + ": " + scanned.error().text);
      current_->scanned_end = scanned->end;
    }
    return Extent{*current_->scanned_end, true};
  }
  const auto seal = seals_.find(current_->number);
  // Without a seal it has an end mark.
  return Extent{seal == seals_.end() ? current_->size : seal->second, false};
}

// True when nothing more is to be had from this segment.
util::Result<bool> LogReader::read_segment(LogPosition& position, uint64_t end, size_t wanted,
                                           std::vector<LogEntry>& out, std::vector<Damage>& damage) {
  SegmentWindow window(*disk_, current_->fd.get(), end, kFollowChunk);
  while (position.offset < end) {
    if (out.size() >= wanted) return false;
    auto record = record_at(window, current_->nonce, position.offset, Depth::kHead);
    if (!record) return util::temporary(current_->file + ": " + record.error().text);
    if (*record && ((*record)->flags & kEndMark) != 0) return true;
    if (*record) {
      auto taken = take_entry(window, **record, position.offset, out, damage);
      if (!taken) return std::unexpected(taken.error());
      position.offset += (*record)->size();
      continue;
    }
    auto next = find_record(window, current_->nonce, position.offset + 1, 0, Depth::kHead);
    if (!next) return util::temporary(current_->file + ": " + next.error().text);
    const uint64_t resume = next->value_or(end);
    damage.push_back({current_->file, position.offset, resume - position.offset});
    position.offset = resume;
  }
  return true;
}

util::Result<void> LogReader::take_entry(SegmentWindow& window, const RecordHeader& header, uint64_t offset,
                                         std::vector<LogEntry>& out, std::vector<Damage>& damage) {
  auto bytes = window.at(offset + kRecordHeaderSize, header.envelope_length);
  if (!bytes) return util::temporary(current_->file + ": " + bytes.error().text);
  auto envelope = parse_envelope(*bytes);
  const auto place = place_of(window, current_->number, offset, header);
  if (!place) return util::temporary(current_->file + ": " + place.error().text);
  if (!envelope || !*place) {
    damage.push_back({current_->file, offset, header.size()});
    return {};
  }
  out.push_back({header.id, **place, std::move(*envelope)});
  return {};
}

util::Result<std::vector<uint32_t>> LogReader::segments() { return list_segments(*disk_, folder_); }

util::Result<std::vector<QueueId>> LogReader::bodies() { return list_bodies(*disk_, folder_); }

util::Result<os::UniqueFd> LogReader::open_body(QueueId id) {
  return disk_->open(folder_ + "/" + body_name(id), Access::kRead);
}

util::Result<os::UniqueFd> LogReader::open_segment(uint32_t number) { return disk_->open(path(number), Access::kRead); }

}  // namespace hikyaku::queue
