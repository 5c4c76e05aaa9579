// Reads ahead.
#include "queue/segment_window.h"

#include <algorithm>
#include <span>

namespace hikyaku::queue {

util::Result<std::string_view> SegmentWindow::at(uint64_t offset, uint64_t length) {
  if (offset >= end_ || length == 0) return std::string_view();
  length = std::min(length, end_ - offset);
  const bool here = offset >= start_ && offset - start_ <= bytes_.size() && bytes_.size() - (offset - start_) >= length;
  if (!here) {
    if (auto filled = fill(offset, std::min(std::max(length, chunk_), end_ - offset)); !filled)
      return std::unexpected(filled.error());
  }
  return std::string_view(bytes_).substr(offset - start_, length);
}

// Chunk by chunk, because a damaged length may be any number: no memory is taken for what the file does not hold.
util::Result<void> SegmentWindow::fill(uint64_t offset, uint64_t length) {
  start_ = offset;
  bytes_.clear();
  while (bytes_.size() < length) {
    const size_t before = bytes_.size();
    const size_t wanted = std::min(chunk_, length - before);
    bytes_.resize(before + wanted);
    auto read = disk_->pread(fd_, std::span(bytes_).subspan(before), offset + before);
    bytes_.resize(before + (read ? *read : 0));
    if (!read) return std::unexpected(read.error());
    if (*read < wanted) break;
  }
  return {};
}

}  // namespace hikyaku::queue
