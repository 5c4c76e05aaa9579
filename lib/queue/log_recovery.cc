// What LogWriter does before its first append: README.md, "Recovery".
#include <algorithm>

#include "queue/body_files.h"
#include "queue/log_writer.h"
#include "queue/segment_scan.h"

namespace hikyaku::queue {

util::Result<LogWriter> LogWriter::open(Disk& disk, std::string folder, LogOptions options) {
  LogWriter writer(disk, std::move(folder), std::move(options));
  if (auto recovered = writer.recover(); !recovered) return std::unexpected(recovered.error());
  return writer;
}

util::Result<void> LogWriter::recover() {
  if (auto adopted = spares_.adopt(); !adopted) return adopted;
  auto numbers = list_segments(*disk_, folder_);
  if (!numbers) return std::unexpected(numbers.error());
  // An id that was given to a body and to no record must not be given again: qmgr may still ask to free that body.
  auto of_bodies = highest_body_id(*disk_, folder_);
  if (!of_bodies) return std::unexpected(of_bodies.error());
  highest_id_ = *of_bodies;
  std::optional<SegmentHeader> last;
  for (const uint32_t number : *numbers) {
    auto header = read_segment_header(*disk_, path(number), number);
    if (!header) return std::unexpected(header.error());
    highest_id_ = std::max(highest_id_, header->highest_id);
    old_segments_.insert(number);
    last = std::move(*header);
  }
  if (last) {
    if (auto recovered = recover_last(*last); !recovered) return recovered;
    next_number_ = last->number + 1;
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

util::Result<void> LogWriter::start_first(uint64_t size) {
  plan_segment(0);
  Part first = group_.back();
  first.size = size;
  end_group();
  return start_segment(first);
}

util::Result<void> LogWriter::recover_last(const SegmentHeader& header) {
  const std::string file = path(header.number);
  for (const Seal& seal : header.seals) {
    if (!seal.marked && old_segments_.contains(seal.segment)) seals_[seal.segment] = seal.length;
  }
  auto fd = disk_->open(file, Access::kWrite);
  if (!fd) return std::unexpected(fd.error());
  auto scanned = scan_segment(*disk_, fd->get(), file, header);
  if (!scanned) return util::temporary(file + ": " + scanned.error().text);
  highest_id_ = std::max(highest_id_, scanned->highest_id);
  damage_ = std::move(scanned->damage);
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
