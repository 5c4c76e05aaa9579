// Groups of messages, their parts and their flush. Recovery is in log_recovery.cc.
#include "queue/log_writer.h"

#include <algorithm>

#include "queue/crc32c.h"

namespace hikyaku::queue {
namespace {

constexpr uint64_t kEndMarkSize = kRecordHeaderSize;  // kept free in every segment

uint32_t crc_of(std::span<const std::string_view> pieces) {
  uint32_t crc = 0;
  for (const std::string_view piece : pieces) crc = extend_crc32c(crc, piece);
  return crc;
}

uint64_t length_of(std::span<const std::string_view> pieces) {
  uint64_t length = 0;
  for (const std::string_view piece : pieces) length += piece.size();
  return length;
}

}  // namespace

LogWriter::LogWriter(Disk& disk, std::string folder, LogOptions options)
    : disk_(&disk),
      folder_(std::move(folder)),
      options_(std::move(options)),
      spares_(disk, folder_, options_.segment_size, options_.spares) {}

QueueId LogWriter::new_id(int64_t now) {
  highest_id_ = std::max(highest_id_ + 1, static_cast<uint64_t>(std::max<int64_t>(now, 0)));
  return QueueId{highest_id_};
}

Place LogWriter::append(QueueId id, uint32_t flags, std::string_view envelope,
                        std::span<const std::string_view> content) {
  RecordHeader header;
  header.id = id;
  header.flags = flags;
  header.envelope_length = static_cast<uint32_t>(envelope.size());
  header.content_length = length_of(content);
  header.content_crc = crc_of(content);
  highest_id_ = std::max(highest_id_, id.value);

  Part& part = part_with_room(header.size());
  header.nonce = part.nonce;
  header.durable_before = part.start;
  encode_record_header(header, envelope, headers_.emplace_back());
  add_piece({headers_.back().data(), kRecordHeaderSize});
  add_piece(envelope);
  for (const std::string_view piece : content) add_piece(piece);

  const Place place{part.number, part.nonce, part.end, header.envelope_length, header.content_length, flags};
  part.end += header.size();
  pending_bytes_ += header.size();
  return place;
}

LogWriter::Part& LogWriter::part_with_room(uint64_t bytes) {
  if (group_.empty() && usable()) {
    group_.push_back({current_.number, current_.nonce, current_.size, current_.end, current_.end, 0, false});
  }
  if (group_.empty() || group_.back().end + bytes + kEndMarkSize > group_.back().size) plan_segment(bytes);
  return group_.back();
}

void LogWriter::plan_segment(uint64_t bytes) {
  if (!group_.empty()) add_end_mark(group_.back());
  Part part;
  part.number = next_number_++;
  part.nonce = options_.nonce();
  part.size = std::max(options_.segment_size, kSegmentHeaderSize + bytes + kEndMarkSize);
  part.start = part.end = kSegmentHeaderSize;
  part.first_piece = pieces_.size();
  group_.push_back(part);
}

// The mark is no mail: it lies behind the part's end.
void LogWriter::add_end_mark(Part& part) {
  RecordHeader header;
  header.nonce = part.nonce;
  header.id.value = highest_id_;
  header.flags = kEndMark;
  header.durable_before = part.start;
  encode_record_header(header, {}, headers_.emplace_back());
  add_piece({headers_.back().data(), kRecordHeaderSize});
  part.marked = true;
}

void LogWriter::add_piece(std::string_view bytes) {
  if (!bytes.empty()) pieces_.push_back({const_cast<char*>(bytes.data()), bytes.size()});
}

util::Result<void> LogWriter::flush() {
  if (group_.empty()) return {};
  auto written = write_group();
  if (!written) return give_up_group(std::move(written.error()), durable_end_);
  durable_end_ = {current_.number, current_.end};
  end_group();
  return {};
}

util::Result<void> LogWriter::write_group() {
  for (size_t i = 0; i < group_.size(); ++i) {
    Part& part = group_[i];
    if (part.number != current_.number) {
      if (auto started = start_segment(part); !started) return started;
    }
    const size_t last_piece = i + 1 < group_.size() ? group_[i + 1].first_piece : pieces_.size();
    const auto pieces = std::span(pieces_).subspan(part.first_piece, last_piece - part.first_piece);
    if (auto written = write_part(part, pieces); !written) return written;
  }
  return {};
}

util::Result<void> LogWriter::write_part(Part& part, std::span<iovec> pieces) {
  auto written = write_fully(*disk_, current_.fd.get(), pieces, part.start);
  if (written) written = disk_->sync_data(current_.fd.get());
  if (!written) return util::temporary(path(part.number) + ": " + written.error().text);
  current_.end = part.end;
  predecessor_ = {part.number, part.end, part.marked};
  return {};
}

util::Result<void> LogWriter::start_segment(const Part& part) {
  current_ = {};
  SegmentHeader header{part.number, part.nonce, highest_id_, {}};
  if (predecessor_.segment != 0) header.seals.push_back(predecessor_);
  for (const auto& [number, length] : seals_) {
    if (number != predecessor_.segment) header.seals.push_back({number, length, false});
  }
  if (header.seals.size() > kMaxSeals) return util::temporary(folder_ + ": too many segments without an end mark");

  auto file = make_segment(part, encode_segment_header(header));
  if (!file) return std::unexpected(file.error());
  current_ = {part.number, part.nonce, part.size, kSegmentHeaderSize, std::move(*file)};
  return {};
}

// Under its number only when the header is durable; on failure, if it can be helped, not at all.
util::Result<os::UniqueFd> LogWriter::make_segment(const Part& part, std::string_view header) {
  auto file = part.size == kSmallSegmentSize ? spares_.take_small() : spares_.take(part.size);
  if (!file) return std::unexpected(file.error());
  // What an earlier life of the file left where the first record goes is made void with it: without a header, the nonce
  // of the record there is believed.
  std::string front(std::min(part.size, 2 * kSegmentHeaderSize), '\0');
  header.copy(front.data(), header.size());
  auto done = write_fully(*disk_, file->fd.get(), front, 0);
  if (done) done = disk_->sync_data(file->fd.get());
  if (!done) done = util::temporary(file->path + ": " + done.error().text);
  if (done) done = disk_->rename(file->path, path(part.number));
  if (!done) {
    (void)disk_->unlink(file->path);
    return std::unexpected(done.error());
  }
  if (auto synced = disk_->sync_folder(folder_); !synced) {
    // A file that stays needs a seal, because it may be found after a crash.
    if (!disk_->unlink(path(part.number))) seal_unused(part.number);
    return std::unexpected(synced.error());
  }
  old_segments_.insert(part.number);
  return std::move(file->fd);
}

void LogWriter::seal_unused(uint32_t number) {
  old_segments_.insert(number);
  seals_[number] = kSegmentHeaderSize;
}

// The group's records must never be mail. Its segment is left at the last good end; this is so once a later
// segment's header says it.
util::Result<void> LogWriter::give_up_group(util::Error error, LogPosition good_end) {
  for (const Part& part : group_) {
    if (part.number != good_end.segment && old_segments_.contains(part.number))
      seals_[part.number] = kSegmentHeaderSize;
  }
  if (good_end.segment != 0) seals_[good_end.segment] = good_end.offset;
  predecessor_ = {good_end.segment, good_end.offset, false};
  current_ = {};
  end_group();

  plan_segment(0);
  const Part next = group_.back();
  end_group();
  if (auto started = start_segment(next); !started) {
    return util::temporary(error.text + "; and no new segment: " + started.error().text);
  }
  durable_end_ = {current_.number, current_.end};
  predecessor_ = {current_.number, current_.end, false};
  return std::unexpected(std::move(error));
}

void LogWriter::end_group() {
  group_.clear();
  pieces_.clear();
  headers_.clear();
  pending_bytes_ = 0;
}

bool LogWriter::has_room(uint64_t bytes) {
  if (!spares_.reserve()) return false;
  bytes += pending_bytes_;
  // Half, because a message may leave most of a segment's end unused.
  const uint64_t reserved = spares_.count() * (options_.segment_size - kSegmentHeaderSize - kEndMarkSize) / 2;
  if (bytes <= reserved) return true;
  const auto free = disk_->free_space(folder_);
  return free && *free / 2 > bytes && *free - 2 * bytes > 2 * options_.segment_size;
}

util::Result<void> LogWriter::free_segment(uint32_t number) {
  if (number == current_.number || number == durable_end_.segment) {
    return util::permanent(path(number) + ": the current segment is never freed");
  }
  if (!old_segments_.contains(number)) return {};  // freed already
  auto given = spares_.give(path(number));
  auto still_there = disk_->open(path(number), Access::kRead);
  if (!given && still_there) return given;
  old_segments_.erase(number);
  seals_.erase(number);
  return given;
}

std::vector<uint32_t> LogWriter::old_segments() const {
  std::vector<uint32_t> numbers(old_segments_.begin(), old_segments_.end());
  std::erase(numbers, current_.number);
  return numbers;
}

util::Result<void> LogWriter::close() {
  if (auto flushed = flush(); !flushed) return flushed;
  if (!usable()) return {};
  add_end_mark(part_with_room(0));
  auto written = write_group();
  end_group();
  current_ = {};
  return written;
}

}  // namespace hikyaku::queue
