// Reads ahead.
#include "queue/segment_window.h"

#include <algorithm>

namespace hikyaku::queue {

util::Result<std::string_view> SegmentWindow::at(uint64_t offset, uint64_t length) {
  length = offset < end_ ? std::min(length, end_ - offset) : 0;
  const bool here = offset >= start_ && offset - start_ <= bytes_.size() && bytes_.size() - (offset - start_) >= length;
  if (!here) {
    const uint64_t wanted = std::min(std::max(length, chunk_), end_ - offset);
    bytes_.resize(wanted);
    start_ = offset;
    auto read = disk_->pread(fd_, bytes_, offset);
    bytes_.resize(read ? *read : 0);
    if (!read) return std::unexpected(read.error());
  }
  if (length == 0) return std::string_view();
  return std::string_view(bytes_).substr(offset - start_, length);
}

}  // namespace hikyaku::queue
