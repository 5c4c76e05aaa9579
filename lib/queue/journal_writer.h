// Writes qmgr's journal: plain writes that survive a killed process, synced when the caller says so.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "os/unique_fd.h"
#include "queue/disk.h"
#include "queue/journal_format.h"
#include "queue/nonce.h"
#include "util/error.h"

namespace hikyaku::queue {

// A file that only takes up space: given up when a new journal file finds none, so that a full disk stops neither a
// start nor the completions that free it.
inline constexpr std::string_view kReserveName = "reserve";
inline constexpr uint64_t kJournalReserve = 4 << 20;  // bytes of it, beside as much as the journal file has

class JournalWriter {
 public:
  // For `folder`, which must exist. Nothing can be appended before the first rotate(), which qmgr calls with what it
  // replayed. `disk` must outlive the writer. `reserve` 0: none is kept.
  JournalWriter(Disk& disk, std::string folder, std::function<uint64_t()> nonce = random_nonce,
                uint64_t reserve = kJournalReserve)
      : disk_(&disk), folder_(std::move(folder)), new_nonce_(std::move(nonce)), reserve_(reserve) {}

  // Memory only.
  void append(const JournalRecord& record);
  // Writes what was appended. A killed process loses nothing of it; a power loss may, until sync().
  util::Result<void> write();
  // write(), then makes it all durable. When it has nothing to do it does nothing.
  util::Result<void> sync();

  // Starts a new file with `alive`, all that must be known after a restart; it takes the place of all earlier files and
  // of whatever was appended, and is durable on return. After a failure the old file goes on, unless the new one may
  // already be found by a restart: then not usable().
  util::Result<void> rotate(std::span<const JournalRecord> alive);

  // At an orderly end: all that was appended is durable, and an end mark says so; then whatever is not whole is damage.
  // Nothing can be appended after it.
  util::Result<void> close();

  // File `number` is damaged: the next rotate() renames it to kDamagedPrefix and its number, and leaves it there for
  // whoever can still read something in it.
  void set_aside(uint32_t number) { damaged_ = number; }

  // After a failed write or sync the file's end is not known: only rotate() helps, the other calls repeat the error.
  bool usable() const { return fd_ && !failure_; }
  // Of the file that counts; 0 before the first rotate().
  uint32_t number() const { return number_; }
  // Offset behind all that was appended.
  uint64_t end() const { return end_ + buffer_.size(); }
  // Bytes of the file without the snapshot at its start: when large, rotate().
  uint64_t growth() const { return end_ + buffer_.size() - snapshot_end_; }

 private:
  util::Result<void> fail(const util::Error& error);
  util::Result<uint32_t> next_number();
  util::Result<os::UniqueFd> begin_file(uint32_t number, std::string_view bytes);
  util::Result<os::UniqueFd> write_new_file(uint32_t number, std::string_view bytes);
  void keep_reserve();
  std::string reserve_path() const;
  void move_damaged();
  void remove_others();

  Disk* disk_;
  std::string folder_;
  std::function<uint64_t()> new_nonce_;
  os::UniqueFd fd_;
  uint32_t number_ = 0;
  uint32_t damaged_ = 0;  // 0: none
  uint64_t nonce_ = 0;
  uint64_t snapshot_end_ = 0;
  uint64_t end_ = 0;     // written up to here
  uint64_t synced_ = 0;  // durable up to here
  uint64_t reserve_;
  uint64_t reserved_ = 0;             // bytes of the reserve, as far as this process has seen to it
  unsigned syncs_until_reserve_ = 0;  // a full disk is not asked at each sync
  std::string buffer_;
  std::optional<util::Error> failure_;
};

}  // namespace hikyaku::queue
