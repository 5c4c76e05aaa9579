// Following the log.
#include "queue/log_reader.h"

#include <algorithm>
#include <utility>

#include "queue/body_files.h"
#include "queue/known_segment.h"

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
    return position;
  }
  const bool to_end = out.size() < entries_before + limit;
  tell_unreadable(from.segment, to_end ? UINT32_MAX : position->segment, damage);
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
    if (auto loaded = load_headers(position.segment); !loaded) return std::unexpected(loaded.error());
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

// `from`: of those before it, only what their headers say is wanted.
util::Result<void> LogReader::load_headers(uint32_t from) {
  const auto numbers = find_readable(from);
  if (!numbers) return std::unexpected(numbers.error());
  const auto is_gone = [&](const auto& known) { return !std::ranges::binary_search(*numbers, known.first); };
  std::erase_if(headers_, is_gone);
  std::erase_if(unreadable_, is_gone);
  for (const uint32_t number : *numbers) {
    if (headers_.contains(number) || unreadable_.contains(number)) continue;
    if (auto loaded = load_header(number); !loaded) return loaded;
  }
  seals_.clear();
  for (const auto& [number, header] : headers_) {
    for (const Seal& seal : header.seals) seals_[seal.segment] = seal.length;
  }
  return {};
}

// The segments, and those set aside of which somebody knows the nonce.
util::Result<std::vector<uint32_t>> LogReader::find_readable(uint32_t from) {
  auto numbers = segments();
  if (!numbers) return numbers;
  const auto aside = set_aside();
  if (!aside) return aside;
  is_aside_.clear();
  for (const uint32_t number : *aside) {
    if (number < from || std::ranges::binary_search(*numbers, number) || !nonce_of(number)) continue;
    is_aside_.insert(number);
  }
  numbers->insert(numbers->end(), is_aside_.begin(), is_aside_.end());
  std::ranges::sort(*numbers);
  return numbers;
}

// Asked once: it may take a look at all that rests.
std::optional<uint64_t> LogReader::nonce_of(uint32_t number) {
  const auto [answer, is_new] = nonces_.try_emplace(number);
  if (is_new) answer->second = ask_nonce_(number);
  return answer->second;
}

util::Result<void> LogReader::load_header(uint32_t number) {
  auto known = know_segment(*disk_, path(number), number);
  if (known && !known->header && nonce_of(number)) known = know_segment(*disk_, path(number), number, nonce_of(number));
  if (!known) return std::unexpected(known.error());
  seals_lost_ = seals_lost_ || !known->has_seals();
  if (known->header)
    headers_.emplace(number, std::move(*known->header));
  else
    unreadable_.emplace(number, Unreadable{*known->damage});
  return {};
}

// Those among the segments that a reader came through, each once.
void LogReader::tell_unreadable(uint32_t from, uint32_t to, std::vector<Damage>& damage) {
  for (auto& [number, unreadable] : unreadable_) {
    if (number < from || number > to || std::exchange(unreadable.told, true)) continue;
    damage.push_back(unreadable.damage);
  }
}

util::Result<LogReader::Extent> LogReader::extent_of_current(std::optional<LogPosition> durable_end) {
  if (durable_end && current_->number == durable_end->segment) return Extent{durable_end->offset, true};
  const auto has_successor = [&] {
    return headers_.upper_bound(current_->number) != headers_.end() ||
           unreadable_.upper_bound(current_->number) != unreadable_.end();
  };
  if (!has_successor()) {
    if (auto loaded = load_headers(current_->number); !loaded) return std::unexpected(loaded.error());
  }
  const bool last = !has_successor();
  if (last && durable_end) return util::temporary(path(durable_end->segment) + ": the current segment is not there");
  const auto seal = seals_.find(current_->number);
  if (!last && seal != seals_.end()) return Extent{seal->second, false};
  // Without a seal it has an end mark.
  if (!last && !seals_lost_) return Extent{current_->size, false};
  const auto end = scanned_end_of_current(last ? Followed::kNo : Followed::kYes);
  if (!end) return std::unexpected(end.error());
  return Extent{*end, last};
}

util::Result<uint64_t> LogReader::scanned_end_of_current(Followed followed) {
  if (!current_->scanned_end) {
    auto scanned = scan_segment(*disk_, current_->fd.get(), current_->file, headers_.at(current_->number), followed);
    if (!scanned) return util::temporary(current_->file + ": " + scanned.error().text);
    current_->scanned_end = scanned->end;
  }
  return *current_->scanned_end;
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

util::Result<os::UniqueFd> LogReader::open_segment(uint32_t number) {
  auto fd = disk_->open(folder_ + "/" + numbered_name("", number), Access::kRead);
  if (fd) return fd;
  // What is known by its place, nonce and all, needs no header.
  auto aside = disk_->open(folder_ + "/" + numbered_name(kDamagedPrefix, number), Access::kRead);
  return aside ? std::move(aside) : std::move(fd);
}

}  // namespace hikyaku::queue
