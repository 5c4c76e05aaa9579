// A small queue.
#include "t/qmgr/small_queue.h"

#include <poll.h>
#include <sys/stat.h>
#include <catch2/catch.hpp>

#include <fstream>

namespace hikyaku::qmgr {

namespace {

template <class T>
T must(util::Result<T> result) {
  if (!result) FAIL(result.error().text);
  return std::move(*result);
}
void must(const util::Result<void>& result) {
  if (!result) FAIL(result.error().text);
}

constexpr queue::IndexOptions kSmallIndex{.map_size = 64 << 20, .ballast = 64 << 10};

queue::LogOptions small_segments() {
  queue::LogOptions options;
  options.segment_size = 16 << 10;
  options.spares = 0;
  return options;
}

}  // namespace

queue::Envelope envelope(size_t recipients, const std::string& sender) {
  queue::Envelope made;
  made.sender = sender;
  made.arrival = kArrival * 1'000'000;
  for (size_t i = 0; i < recipients; ++i)
    made.recipients.push_back({"user" + std::to_string(i) + "@example.net", "", 0});
  return made;
}

SmallQueue::SmallQueue() {
  REQUIRE(::mkdir(log_folder().c_str(), 0700) == 0);
  REQUIRE(::mkdir(journal_folder().c_str(), 0700) == 0);
  REQUIRE(::mkdir(index_folder().c_str(), 0700) == 0);
  writer_.emplace(must(queue::LogWriter::open(disk_, log_folder(), small_segments())));
  open();
}

void SmallQueue::open() {
  reader_ = std::make_unique<queue::LogReader>(disk_, log_folder());
  ledger_ = std::make_unique<Ledger>(disk_, LedgerFolders{journal_folder(), index_folder(), kSmallIndex}, *reader_);
  must(ledger_->recover());
  for (std::string& line : ledger_->take_damage()) damage_.push_back(std::move(line));
  position_ = ledger_->checkpoint();
  follow();
  must(ledger_->recovered(position_));
}

queue::QueueId SmallQueue::write(const queue::Envelope& what, size_t size) {
  std::string bytes;
  queue::append_envelope(what, bytes);
  const std::string content(size, 'x');
  const std::string_view piece = content;
  const queue::QueueId id = writer_->new_id(what.arrival);
  writer_->append(id, 0, bytes, std::span(&piece, 1));
  must(writer_->flush());
  return id;
}

queue::Place SmallQueue::copy(queue::QueueId id, const queue::Place& place) {
  const os::UniqueFd file = must(reader_->open_segment(place.segment));
  const queue::RecordBytes record = must(queue::read_record(file.get(), id, place));
  const std::string_view content = record.content;
  const queue::Place copied = writer_->append(id, place.flags | queue::kMoved, record.envelope, std::span(&content, 1));
  must(writer_->flush());
  return copied;
}

void SmallQueue::spoil_record(queue::QueueId id) {
  const queue::Place place = ledger_->look(id).message.value().place;
  std::fstream file(log_folder() + "/" + queue::numbered_name("", place.segment),
                    std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(place.offset + 20));
  file << "damage";
}

std::vector<queue::QueueId> SmallQueue::follow() {
  std::vector<queue::LogEntry> entries;
  std::vector<queue::Damage> damage;
  position_ = must(reader_->read_entries(position_, writer_->durable_end(), 100'000, entries, damage));
  position_ = std::max(position_, writer_->durable_end());
  CHECK((damage.empty() || log_is_damaged_));
  std::vector<queue::QueueId> arrived;
  for (queue::LogEntry& entry : entries)
    if (ledger_->arrive(entry.id, entry.place, std::move(entry.envelope)) != nullptr) arrived.push_back(entry.id);
  return arrived;
}

Message& SmallQueue::add(const queue::Envelope& what, size_t size) {
  const queue::QueueId id = write(what, size);
  follow();
  ledger_->followed(position_);
  return *ledger_->find(id);
}

void SmallQueue::settle_index() {
  must(ledger_->sync());
  ledger_->hand_over();
  while (ledger_->leaving() > 0) wait_for_index();
}

void SmallQueue::wait_for_index() {
  ::pollfd progress{.fd = ledger_->index_fd(), .events = POLLIN, .revents = 0};
  REQUIRE(::poll(&progress, 1, 10'000) == 1);
  must(ledger_->index_progress());
}

void SmallQueue::restart(const std::function<void()>& meanwhile) {
  ledger_.reset();
  if (meanwhile) meanwhile();
  open();
}

void SmallQueue::close_and_restart(const std::function<void()>& meanwhile) {
  must(ledger_->sync());
  must(ledger_->close());
  restart(meanwhile);
}

void SmallQueue::cut_power_and_restart() {
  ledger_.reset();
  reader_.reset();
  writer_.reset();
  disk_.cut_power();
  writer_.emplace(must(queue::LogWriter::open(disk_, log_folder(), small_segments())));
  open();
}

void fill_segment(SmallQueue& queue) {
  const uint32_t segment = queue.writer().durable_end().segment;
  while (queue.writer().durable_end().segment == segment) {
    Message& filler = queue.add(envelope(), 3000);
    queue.ledger().complete(filler);
  }
}

}  // namespace hikyaku::qmgr
