// Empty segment files held ready: space that is reserved before mail is accepted, and blocks that are written already.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "os/unique_fd.h"
#include "queue/disk.h"
#include "queue/log_format.h"
#include "util/error.h"

namespace hikyaku::queue {

// Bytes of a segment that holds no mail, only what a segment says of those before it.
inline constexpr uint64_t kSmallSegmentSize = kSegmentHeaderSize + 2 * kRecordHeaderSize;

class SpareSegments {
 public:
  struct File {
    std::string path;
    os::UniqueFd fd;
  };

  SpareSegments(Disk& disk, std::string folder, uint64_t segment_size, size_t wanted)
      : disk_(&disk), folder_(std::move(folder)), segment_size_(segment_size), wanted_(wanted) {}

  // Adopts the spares of an earlier run and removes those that were not finished.
  util::Result<void> adopt();
  // Allocates one, if there is none.
  util::Result<void> reserve();
  // A file of `size` bytes to be renamed: a spare, if it has this size, else a new one.
  util::Result<File> take(uint64_t size);
  // A small file for a segment that holds no mail: the one that was kept for a full disk, else a new one.
  util::Result<File> take_small();
  // Sees to it that a small one is kept. False while there is no space for it.
  bool keep_small();
  // Makes a spare of the segment at `path`, or removes it when there are enough or its size differs. Durable on return.
  util::Result<void> give(const std::string& path);

  // One slice of allocating or of filling with zeros. True while there is more to do.
  util::Result<bool> background_step();

  size_t count() const { return filled_.size() + (filling_ ? 1 : 0); }

 private:
  struct Filling {
    File file;
    uint64_t filled = 0;
  };

  util::Result<File> create(uint64_t size);
  util::Result<void> finish_filling();
  std::string small_path() const { return folder_ + "/reserve"; }

  Disk* disk_;
  std::string folder_;
  uint64_t segment_size_;
  size_t wanted_;
  uint32_t next_number_ = 1;
  bool small_kept_ = false;
  std::deque<std::string> filled_;  // paths
  std::optional<Filling> filling_;
};

}  // namespace hikyaku::queue
