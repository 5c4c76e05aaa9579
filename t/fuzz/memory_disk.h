// A folder of one file in memory, and reads that are watched: what the targets for log and journal read from.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "queue/disk.h"
#include "t/fuzz/input.h"

namespace hikyaku::fuzz {

class MemoryDisk : public queue::RealDisk {
 public:
  MemoryDisk(std::string name, std::string_view content) : name_(std::move(name)), file_(::memfd_create("fuzz", 0)) {
    promise(file_ && ::ftruncate(file_.get(), static_cast<off_t>(content.size())) == 0, "a file in memory");
    promise(queue::write_fully(*this, file_.get(), content, 0).has_value(), "and room for it");
  }

  int fd() const { return file_.get(); }
  // No read may reach beyond this offset.
  void set_bound(uint64_t bound) { bound_ = bound; }
  // No read may ask for more than this at once.
  void set_longest(uint64_t longest) { longest_ = longest; }

  util::Result<os::UniqueFd> open(const std::string&, queue::Access) override {
    return os::UniqueFd(::dup(file_.get()));
  }
  util::Result<std::vector<std::string>> list(const std::string&) override { return std::vector<std::string>{name_}; }
  util::Result<size_t> pread(int fd, std::span<char> buffer, uint64_t offset) override {
    promise(offset <= bound_ && buffer.size() <= bound_ - offset, "nothing is read beyond the bound");
    promise(buffer.size() <= longest_, "no memory is taken for what is not there");
    return RealDisk::pread(fd, buffer, offset);
  }

 private:
  std::string name_;
  os::UniqueFd file_;
  uint64_t bound_ = UINT64_MAX;
  uint64_t longest_ = UINT64_MAX;
};

}  // namespace hikyaku::fuzz
