// Empty segment files held ready: space that is reserved before mail is accepted, and blocks that are written already.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "os/unique_fd.h"
#include "queue/disk.h"
#include "util/error.h"

namespace hikyaku::queue {

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

  Disk* disk_;
  std::string folder_;
  uint64_t segment_size_;
  size_t wanted_;
  uint32_t next_number_ = 1;
  std::deque<std::string> filled_;  // paths
  std::optional<Filling> filling_;
};

}  // namespace hikyaku::queue
