// Copies records to the log's end.
#include "cleanup/mover.h"

#include <fmt/format.h>

#include <algorithm>

#include "queue/log_format.h"
#include "queue/record_reader.h"

namespace hikyaku::cleanup {

namespace {

// A larger one has enough to write.
constexpr uint64_t kSmallGroup = 1 << 20;
// What a batch may weigh: one record can be larger than qmgr's usual batch.
constexpr uint64_t kMostBytes = 8 << 20;

// Without what would not fit into a number, whatever was asked for.
uint64_t size_of(const ipc::MoveRecords& asked) {
  uint64_t sum = 0;
  for (const ipc::RecordToMove& record : asked.records)
    sum += queue::kRecordHeaderSize + record.place.envelope_length + std::min(record.place.content_length, kMostBytes);
  return sum;
}

}  // namespace

void Mover::take(ipc::Peer& from, const ipc::MoveRecords& asked) {
  if (asked_) {
    from.channel->send(ipc::RecordsMoved{asked.batch, false, {}});
    return;
  }
  from_ = &from;
  asked_ = asked;
  result_ = {asked.batch, false, {}};
}

void Mover::add_to(Group& group) {
  if (!is_waiting() || group.bytes() > kSmallGroup) return;
  const uint64_t size = size_of(*asked_);
  if (size > kMostBytes || !writer_.has_room(size)) return answer(false);
  const uint64_t before = group.bytes();
  for (const ipc::RecordToMove& record : asked_->records) copy(record, group);
  open_.reset();
  open_number_ = 0;
  is_in_group_ = group.bytes() > before;
  if (!is_in_group_) answer(true);  // all of it is damaged
}

void Mover::copy(const ipc::RecordToMove& record, Group& group) {
  const queue::Place& place = record.place;
  const std::string path = folder_ + "/" + queue::numbered_name("", place.segment);
  const auto refuse = [&](const std::string& why) {
    logger_.error(fmt::format("queue: {}: a record cannot be moved: {}", path, why));
    result_.damaged.push_back(record.id);
  };
  if (open_number_ != place.segment) {
    auto opened = disk_.open(path, queue::Access::kRead);
    if (!opened) return refuse(opened.error().text);
    const auto size = disk_.size(opened->get());
    if (!size) return refuse(size.error().text);
    open_ = std::move(*opened);
    open_number_ = place.segment;
    open_size_ = *size;
  }
  if (place.offset > open_size_ || queue::record_size(place) > open_size_ - place.offset)
    return refuse("it does not end in the segment");
  auto bytes = queue::read_record(open_.get(), record.id, place);
  if (!bytes) return refuse(bytes.error().text);
  group.add_copy(record.id, place, std::move(bytes->envelope), std::move(bytes->content));
}

void Mover::committed(bool stored) {
  if (is_in_group_) answer(stored);
}

void Mover::answer(bool stored) {
  result_.stored = stored;
  if (from_ != nullptr) from_->channel->send(result_);
  from_ = nullptr;
  asked_.reset();
  is_in_group_ = false;
}

void Mover::forget(const ipc::Peer& peer) {
  if (from_ != &peer) return;
  from_ = nullptr;
  if (!is_in_group_) asked_.reset();
}

}  // namespace hikyaku::cleanup
