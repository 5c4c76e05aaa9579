// What this process, and LMDB in it, writes to one file: every write and flush is seen, because the program defines the
// system's functions and so stands before the C library's. What a power cut leaves can be played afterwards.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "t/fault/power/recording_disk.h"

namespace hikyaku::queue {

class WatchedWrites {
 public:
  // Of the file at `path`, which need not exist; its content now counts as durable. One at a time.
  explicit WatchedWrites(std::string path, bool flushes_lie = false);
  ~WatchedWrites();
  WatchedWrites(const WatchedWrites&) = delete;
  WatchedWrites& operator=(const WatchedWrites&) = delete;

  // Writes and flushes so far.
  size_t changes() const { return changes_.size(); }
  // The file as a power cut after the first `at` changes may leave it: all that was flushed, and of each sector of 512
  // bytes that was written since, any of the contents that it had.
  std::string after_cut(size_t at, Chance& chance) const;

  // For the functions that stand before the C library's.
  static void wrote(int fd, const void* bytes, size_t size, uint64_t offset);
  static void flushed(int fd);

 private:
  struct Change {
    bool is_flush = false;
    uint64_t offset = 0;
    std::string bytes;
  };
  bool is_ours(int fd) const;

  std::string path_;
  bool flushes_lie_;
  std::string first_;
  std::vector<Change> changes_;
};

}  // namespace hikyaku::queue
