// Appending, syncing and rotating.
#include "queue/journal_writer.h"

#include <algorithm>

namespace hikyaku::queue {
namespace {

// Of a new file, beside its snapshot.
constexpr uint64_t kRoomToGrow = 1 << 20;
constexpr unsigned kSyncsBetweenReserves = 50;  // ten seconds of qmgr's syncs

}  // namespace

void JournalWriter::append(const JournalRecord& record) {
  util::ensure(bool{fd_}, "a journal is rotated before its first record");
  append_journal_record(record, nonce_, synced_, buffer_);
}

util::Result<void> JournalWriter::write() {
  if (failure_) return std::unexpected(*failure_);
  if (buffer_.empty()) return {};
  if (auto written = write_fully(*disk_, fd_.get(), buffer_, end_); !written) return fail(written.error());
  end_ += buffer_.size();
  buffer_.clear();
  return {};
}

util::Result<void> JournalWriter::sync() {
  if (auto written = write(); !written) return written;
  if (end_ == synced_) return {};
  if (auto synced = disk_->sync_data(fd_.get()); !synced) return fail(synced.error());
  synced_ = end_;
  if (syncs_until_reserve_ == 0 || --syncs_until_reserve_ == 0) keep_reserve();
  return {};
}

// The mark vouches for all before it, so that must be durable first: in one flush a power loss could keep the mark
// alone.
util::Result<void> JournalWriter::close() {
  if (auto synced = sync(); !synced || !fd_) return synced;
  append_journal_end_mark(nonce_, synced_, buffer_);
  auto marked = sync();
  fd_.reset();
  return marked;
}

util::Result<void> JournalWriter::fail(const util::Error& error) {
  failure_ = util::Error{folder_ + "/" + numbered_name("", number_) + ": " + error.text, false};
  return std::unexpected(*failure_);
}

util::Result<void> JournalWriter::rotate(std::span<const JournalRecord> alive) {
  auto number = next_number();
  if (!number) return std::unexpected(number.error());
  const uint64_t nonce = new_nonce_();
  std::string bytes(kJournalHeaderSize, '\0');
  for (const JournalRecord& record : alive) append_journal_record(record, nonce, 0, bytes);
  bytes.replace(0, kJournalHeaderSize, encode_journal_header({*number, nonce, bytes.size()}));

  auto fd = begin_file(*number, bytes);
  if (!fd) return std::unexpected(fd.error());
  fd_ = std::move(*fd);
  number_ = *number;
  nonce_ = nonce;
  snapshot_end_ = end_ = synced_ = bytes.size();
  buffer_.clear();
  failure_.reset();
  remove_others();
  keep_reserve();
  return {};
}

// The file that a rotation begins with, on a full disk in the place of the reserve.
util::Result<os::UniqueFd> JournalWriter::begin_file(uint32_t number, std::string_view bytes) {
  auto fd = write_new_file(number, bytes);
  if (fd || number_ == number || !disk_->unlink(reserve_path())) return fd;
  reserved_ = 0;
  return write_new_file(number, bytes);
}

// As much as a new file may need: what is in memory is at most what this one tells, and what came since. What there is
// no space for now is tried again later.
void JournalWriter::keep_reserve() {
  syncs_until_reserve_ = kSyncsBetweenReserves;
  if (reserve_ == 0) return;
  const uint64_t wanted = (end_ / reserve_ + 1) * reserve_ + reserve_;
  if (reserved_ >= wanted) return;
  auto fd = disk_->open(reserve_path(), Access::kWrite);
  if (!fd) fd = disk_->open(reserve_path(), Access::kCreateNew);
  if (!fd) return;
  for (uint64_t size = wanted; size >= wanted / 8 && size > reserved_; size /= 2) {
    if (!disk_->preallocate(fd->get(), size)) continue;
    reserved_ = size;
    return;
  }
  if (reserved_ > 0) return;
  (void)disk_->unlink(reserve_path());
}

util::Result<uint32_t> JournalWriter::next_number() {
  auto names = disk_->list(folder_);
  if (!names) return std::unexpected(names.error());
  uint32_t highest = number_;
  for (const std::string& name : *names) {
    const auto number = parse_numbered_name("", name);
    if (number) highest = std::max(highest, *number);
  }
  return highest + 1;
}

util::Result<os::UniqueFd> JournalWriter::write_new_file(uint32_t number, std::string_view bytes) {
  const std::string unfinished = folder_ + "/" + numbered_name(kUnfinishedPrefix, number);
  const std::string path = folder_ + "/" + numbered_name("", number);
  (void)disk_->unlink(unfinished);  // left over from a crash, or not there
  auto fd = disk_->open(unfinished, Access::kCreateNew);
  if (!fd) return fd;
  auto done = disk_->preallocate(fd->get(), bytes.size() + kRoomToGrow);
  if (done) done = write_fully(*disk_, fd->get(), bytes, 0);
  if (done) done = disk_->sync_data(fd->get());
  if (!done) {
    (void)disk_->unlink(unfinished);
    return util::temporary(unfinished + ": " + done.error().text);
  }
  done = disk_->rename(unfinished, path);
  if (done) move_damaged();
  if (done) done = disk_->sync_folder(folder_);
  if (!done) {
    // Nobody knows now which file a restart will find as the newest, so neither may go on.
    number_ = number;
    return std::unexpected(fail(done.error()).error());
  }
  return fd;
}

// Together with the new file's name, so that no restart finds neither. A failure costs only the file's keeping, so it
// does not stop the journal.
void JournalWriter::move_damaged() {
  if (damaged_ == 0) return;
  (void)disk_->rename(folder_ + "/" + numbered_name("", damaged_),
                      folder_ + "/" + numbered_name(kDamagedPrefix, damaged_));
  damaged_ = 0;
}

std::string JournalWriter::reserve_path() const { return folder_ + "/" + std::string(kReserveName); }

// What stays is removed next time: only the newest file counts.
void JournalWriter::remove_others() {
  auto names = disk_->list(folder_);
  if (!names) return;
  for (const std::string& name : *names) {
    const auto number = parse_numbered_name("", name);
    const bool older = number && *number < number_;
    if (older || parse_numbered_name(kUnfinishedPrefix, name)) (void)disk_->unlink(folder_ + "/" + name);
  }
}

}  // namespace hikyaku::queue
