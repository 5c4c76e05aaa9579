// Keeping spares.
#include "queue/spare_segments.h"

#include <algorithm>

namespace hikyaku::queue {
namespace {

constexpr std::string_view kSparePrefix = "spare-";
constexpr uint64_t kSlice = 256 << 10;  // about 100 µs

const std::string& zeros() {
  static const std::string bytes(kSlice, '\0');
  return bytes;
}

}  // namespace

util::Result<void> SpareSegments::adopt() {
  auto names = disk_->list(folder_);
  if (!names) return std::unexpected(names.error());
  for (const std::string& name : *names) {
    const std::string path = folder_ + "/" + name;
    if (parse_numbered_name(kUnfinishedPrefix, name)) {
      if (auto removed = disk_->unlink(path); !removed) return removed;
    }
    const auto number = parse_numbered_name(kSparePrefix, name);
    if (!number) continue;
    next_number_ = std::max(next_number_, *number + 1);
    auto fd = disk_->open(path, Access::kRead);
    if (!fd) return std::unexpected(fd.error());
    auto size = disk_->size(fd->get());
    if (size && *size == segment_size_) {
      filled_.push_back(path);
    } else if (auto removed = disk_->unlink(path); !removed) {
      return removed;
    }
  }
  return {};
}

util::Result<void> SpareSegments::reserve() {
  if (count() > 0) return {};
  auto file = create(segment_size_);
  if (!file) return std::unexpected(file.error());
  filling_ = Filling{std::move(*file), 0};
  return {};
}

util::Result<SpareSegments::File> SpareSegments::take(uint64_t size) {
  if (size != segment_size_) return create(size);
  if (!filled_.empty()) {
    const std::string path = filled_.front();
    filled_.pop_front();
    auto fd = disk_->open(path, Access::kWrite);
    if (!fd) return std::unexpected(fd.error());
    return File{path, std::move(*fd)};
  }
  if (auto reserved = reserve(); !reserved) return std::unexpected(reserved.error());
  File file = std::move(filling_->file);
  filling_.reset();
  return file;
}

util::Result<SpareSegments::File> SpareSegments::take_small() {
  auto fd = disk_->open(small_path(), Access::kWrite);
  if (!fd) return create(kSmallSegmentSize);
  small_kept_ = false;
  return File{small_path(), std::move(*fd)};
}

// Written and not only allocated, so that a later header in it needs no block more.
bool SpareSegments::keep_small() {
  if (small_kept_) return true;
  auto fd = disk_->open(small_path(), Access::kWrite);
  if (!fd) fd = disk_->open(small_path(), Access::kCreateNew);
  if (!fd) return false;
  small_kept_ = disk_->preallocate(fd->get(), kSmallSegmentSize) &&
                write_fully(*disk_, fd->get(), std::string_view(zeros()).substr(0, kSmallSegmentSize), 0);
  if (!small_kept_) (void)disk_->unlink(small_path());
  return small_kept_;
}

util::Result<void> SpareSegments::give(const std::string& path) {
  auto fd = disk_->open(path, Access::kRead);
  if (!fd) return std::unexpected(fd.error());
  auto size = disk_->size(fd->get());
  if (!size) return std::unexpected(size.error());
  if (*size != segment_size_ || count() >= wanted_) {
    if (auto removed = disk_->unlink(path); !removed) return removed;
    return disk_->sync_folder(folder_);
  }
  const std::string spare = folder_ + "/" + numbered_name(kSparePrefix, next_number_++);
  if (auto renamed = disk_->rename(path, spare); !renamed) return renamed;
  // Without the sync a crash may bring the segment back: then nobody may have written into it.
  if (auto synced = disk_->sync_folder(folder_); !synced) {
    (void)disk_->unlink(spare);
    return synced;
  }
  filled_.push_back(spare);
  return {};
}

util::Result<bool> SpareSegments::background_step() {
  if (!filling_) {
    (void)keep_small();
    if (count() >= wanted_) return false;
    auto file = create(segment_size_);
    if (!file) return std::unexpected(file.error());
    filling_ = Filling{std::move(*file), 0};
    return true;
  }
  const uint64_t slice = std::min(kSlice, segment_size_ - filling_->filled);
  const int fd = filling_->file.fd.get();
  auto step = write_fully(*disk_, fd, std::string_view(zeros()).substr(0, slice), filling_->filled);
  if (step) {
    // Written out now, so that the segment's first flush has not all of it to write.
    disk_->start_writeback(fd, filling_->filled, slice);
    filling_->filled += slice;
    if (filling_->filled == segment_size_) step = finish_filling();
  }
  if (!step) {
    if (filling_) (void)disk_->unlink(filling_->file.path);
    filling_.reset();
    return std::unexpected(step.error());
  }
  return filling_ || count() < wanted_;
}

util::Result<void> SpareSegments::finish_filling() {
  const std::string spare = folder_ + "/" + numbered_name(kSparePrefix, next_number_++);
  if (auto renamed = disk_->rename(filling_->file.path, spare); !renamed) return renamed;
  filling_.reset();
  filled_.push_back(spare);
  return {};
}

util::Result<SpareSegments::File> SpareSegments::create(uint64_t size) {
  const std::string path = folder_ + "/" + numbered_name(kUnfinishedPrefix, next_number_++);
  auto fd = disk_->open(path, Access::kCreateNew);
  if (!fd) return std::unexpected(fd.error());
  if (auto allocated = disk_->preallocate(fd->get(), size); !allocated) {
    (void)disk_->unlink(path);  // it may hold the last free blocks
    return std::unexpected(allocated.error());
  }
  return File{path, std::move(*fd)};
}

}  // namespace hikyaku::queue
