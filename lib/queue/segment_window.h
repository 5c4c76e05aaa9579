// A view into a segment's file that moves: large reads, small looks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "queue/disk.h"
#include "util/error.h"

namespace hikyaku::queue {

class SegmentWindow {
 public:
  // Reads `chunk` bytes at a time, never beyond `end`.
  SegmentWindow(Disk& disk, int fd, uint64_t end, uint64_t chunk) : disk_(&disk), fd_(fd), end_(end), chunk_(chunk) {}

  // `length` bytes at `offset`, valid until the next call; fewer when `end` or the end of the file comes first.
  util::Result<std::string_view> at(uint64_t offset, uint64_t length);
  uint64_t end() const { return end_; }

 private:
  util::Result<void> fill(uint64_t offset, uint64_t length);

  Disk* disk_;
  int fd_;
  uint64_t end_;
  uint64_t chunk_;
  uint64_t start_ = 0;
  std::string bytes_;
};

}  // namespace hikyaku::queue
