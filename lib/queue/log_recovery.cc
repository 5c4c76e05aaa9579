// What LogWriter does before its first append: README.md, "Recovery".
#include <algorithm>

#include "queue/body_files.h"
#include "queue/known_segment.h"
#include "queue/log_writer.h"
#include "queue/segment_scan.h"

namespace hikyaku::queue {

namespace {

// How far ids may be ahead of the last write to their segment: a day, in ids of a microsecond each. By so much the
// clock may have been set back meanwhile; and no segment has so many messages.
constexpr uint64_t kMostAhead = uint64_t{24} * 60 * 60 * 1'000'000;

}  // namespace

util::Result<LogWriter> LogWriter::open(Disk& disk, std::string folder, LogOptions options) {
  LogWriter writer(disk, std::move(folder), std::move(options));
  if (auto recovered = writer.recover(); !recovered) return std::unexpected(recovered.error());
  return writer;
}

util::Result<void> LogWriter::recover() {
  if (auto adopted = spares_.adopt(); !adopted) return adopted;
  // An id that was given to a body and to no record must not be given again: qmgr may still ask to free that body.
  auto of_bodies = highest_body_id(*disk_, folder_);
  if (!of_bodies) return std::unexpected(of_bodies.error());
  highest_id_ = *of_bodies;
  if (auto known = learn_segments(); !known) return known;
  if (auto sealed = seal_by_scan(); !sealed) return sealed;
  const auto last = unsealed_.empty() ? std::nullopt : std::optional(std::move(unsealed_.back()));
  unsealed_.clear();
  if (last) {
    if (auto recovered = recover_last(*last); !recovered) return recovered;
  }
  auto started = start_first(options_.segment_size);
  // On a full disk: so that the former one, which may be the one that holds all mail, can be freed.
  if (!started) started = start_first(kSmallSegmentSize);
  if (!started && !last) return started;
  if (!started) {
    start_trouble_ = started.error();
    durable_end_ = {last->number, predecessor_.length};
    return {};
  }
  durable_end_ = {current_.number, current_.end};
  const bool was_empty = last && predecessor_.length == kSegmentHeaderSize;
  predecessor_ = {current_.number, current_.end, false};
  // A segment a start would soon fill the folder, if a daemon dies again and again.
  if (was_empty) (void)free_segment(last->number);  // else qmgr will ask for it
  (void)spares_.keep_small();
  return {};
}

// Reads all headers, sets those segments aside that cannot be read without, and looks for the highest id ever given.
util::Result<void> LogWriter::learn_segments() {
  const auto aside = list_numbered(*disk_, folder_, kDamagedPrefix);
  if (!aside) return std::unexpected(aside.error());
  const auto numbers = list_segments(*disk_, folder_);
  if (!numbers) return std::unexpected(numbers.error());
  uint32_t lost = 0;  // the last one, while no later header tells what its own did
  for (const uint32_t number : *numbers) {
    const auto has_seals = learn_segment(number);
    if (!has_seals) return std::unexpected(has_seals.error());
    lost = *has_seals ? 0 : number;
    next_number_ = number + 1;
  }
  if (!aside->empty() && aside->back() >= next_number_) {
    lost = aside->back();
    next_number_ = lost + 1;
  }
  return lost == 0 ? util::Result<void>{} : expect_ids_of(lost);
}

// Whether its header is there to tell the seals of those before it.
util::Result<bool> LogWriter::learn_segment(uint32_t number) {
  auto known = queue::know_segment(*disk_, path(number), number);
  if (!known) return std::unexpected(known.error());
  if (known->damage) damage_.push_back(*known->damage);
  if (!known->header) {
    if (auto done = set_aside(number); !done) return std::unexpected(done.error());
    return false;
  }
  if (!known->by_records) {
    highest_id_ = std::max(highest_id_, known->header->highest_id);
    seals_.clear();
    for (const Seal& seal : known->header->seals) {
      if (!seal.marked && old_segments_.contains(seal.segment)) seals_[seal.segment] = seal.length;
    }
    unsealed_.clear();
  }
  old_segments_.insert(number);
  unsealed_.push_back(std::move(*known->header));
  return !known->by_records;
}

// Under a name by which no reader takes it for a part of the log, and the writer not for a file to be used again.
util::Result<void> LogWriter::set_aside(uint32_t number) {
  const std::string name = damaged_path(number);
  if (auto renamed = disk_->rename(path(number), name); !renamed) return renamed;
  set_aside_.push_back(name);
  return disk_->sync_folder(folder_);
}

// The highest id before a segment, and perhaps those of its records, are lost with its header. They were given by the
// clock, or one by one, before it was last written to.
util::Result<void> LogWriter::expect_ids_of(uint32_t number) {
  const std::string file = old_segments_.contains(number) ? path(number) : damaged_path(number);
  auto fd = disk_->open(file, Access::kRead);
  if (!fd) return std::unexpected(fd.error());
  const auto written = disk_->last_write(fd->get());
  if (!written) return util::temporary(file + ": " + written.error().text);
  highest_id_ = std::max(highest_id_, static_cast<uint64_t>(std::max<int64_t>(*written, 0)) + kMostAhead);
  return {};
}

// Of the segments whose seal was in a lost header, all but the last. Where one has no end mark, the next header seals
// it.
util::Result<void> LogWriter::seal_by_scan() {
  for (size_t i = 0; i + 1 < unsealed_.size(); ++i) {
    const SegmentHeader& header = unsealed_[i];
    const std::string file = path(header.number);
    auto fd = disk_->open(file, Access::kRead);
    if (!fd) return std::unexpected(fd.error());
    const auto scanned = scan_segment(*disk_, fd->get(), file, header, Followed::kYes);
    if (!scanned) return util::temporary(file + ": " + scanned.error().text);
    if (!scanned->marked) seals_[header.number] = scanned->end;
  }
  return {};
}

util::Result<void> LogWriter::start_first(uint64_t size) {
  plan_segment(0);
  Part first = group_.back();
  first.size = size;
  end_group();
  return start_segment(first);
}

util::Result<void> LogWriter::recover_last(const SegmentHeader& header) {
  const std::string file = path(header.number);
  auto fd = disk_->open(file, Access::kWrite);
  if (!fd) return std::unexpected(fd.error());
  const bool followed = header.number + 1 < next_number_;  // by one that was set aside
  auto scanned = scan_segment(*disk_, fd->get(), file, header, followed ? Followed::kYes : Followed::kNo);
  if (!scanned) return util::temporary(file + ": " + scanned.error().text);
  highest_id_ = std::max(highest_id_, scanned->highest_id);
  damage_.insert(damage_.end(), scanned->damage.begin(), scanned->damage.end());
  // What is whole may be so only in memory.
  if (auto synced = disk_->sync_data(fd->get()); !synced) return util::temporary(file + ": " + synced.error().text);
  const bool marked = scanned->marked || mark_end(fd->get(), header.nonce, scanned->end);
  if (!marked) seals_[header.number] = scanned->end;
  predecessor_ = {header.number, scanned->end, marked};
  return {};
}

bool LogWriter::mark_end(int fd, uint64_t nonce, uint64_t end) {
  RecordHeader mark;
  mark.nonce = nonce;
  mark.id.value = highest_id_;
  mark.flags = kEndMark;
  mark.durable_before = end;
  RecordHeaderBytes bytes;
  encode_record_header(mark, {}, bytes);
  return write_fully(*disk_, fd, {bytes.data(), bytes.size()}, end) && disk_->sync_data(fd);
}

}  // namespace hikyaku::queue
