// A disk on which any call can fail, writes can be short, and a power cut forgets what was not synced.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "queue/disk.h"

namespace hikyaku::queue {

// A folder of its own for one test; in memory where that is offered, because nothing here depends on a real disk.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Nothing is really synced: what would be is remembered, which is faster and proves more. The calls of the disk may
// come from several threads.
class FaultyDisk : public RealDisk {
 public:
  // Of the calls that change something, counted from now, `count` fail from the `first` on.
  void fail(uint64_t first, uint64_t count = 1) {
    calls_ = 0;
    first_failure_ = first;
    failures_ = count;
  }
  void stop_failing() { failures_ = 0; }
  // Calls that change something, since the last fail().
  uint64_t calls() const { return calls_; }
  // A write takes at most so many bytes.
  void shorten_writes(uint64_t bytes) { longest_write_ = bytes; }
  // Undoes what was not synced, but for the first `kept` bytes of each write: those reached the disk by chance.
  // All descriptors that the code under test holds must be dropped.
  void cut_power(uint64_t kept = 0);

  util::Result<os::UniqueFd> open(const std::string& path, Access access) override;
  util::Result<size_t> pwritev(int fd, std::span<const iovec> pieces, uint64_t offset) override;
  util::Result<void> sync_data(int fd) override;
  util::Result<void> preallocate(int fd, uint64_t length) override;
  void start_writeback(int, uint64_t, uint64_t) override {}
  void await_writeback(int, uint64_t, uint64_t) override {}
  util::Result<void> rename(const std::string& from, const std::string& to) override;
  util::Result<void> unlink(const std::string& path) override;
  util::Result<void> sync_folder(const std::string& path) override;

 private:
  struct Write {
    uint64_t offset;
    std::string before;
  };
  struct File {
    os::UniqueFd fd;
    std::vector<Write> unsynced;
    size_t lost = 0;  // the first of them: a sync failed, so that later ones do not save them
  };

  bool fails_now();
  File& file(int fd);

  std::mutex mutex_;
  uint64_t calls_ = 0;
  uint64_t first_failure_ = 0;
  uint64_t failures_ = 0;
  uint64_t longest_write_ = std::numeric_limits<uint64_t>::max();
  std::map<uint64_t, File> files_;  // by inode
  std::vector<std::function<void()>> names_before_;
};

}  // namespace hikyaku::queue
