// Failing on demand.
#include "t/lib/queue/faulty_disk.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

namespace hikyaku::queue {

TemporaryFolder::TemporaryFolder()
    : path_((::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp") + std::string("/hikyaku-queue-XXXXXX")) {
  util::ensure(::mkdtemp(path_.data()) != nullptr, "a folder for the test");
}

TemporaryFolder::~TemporaryFolder() { std::filesystem::remove_all(path_); }

bool FaultyDisk::fails_now() {
  const uint64_t call = calls_++;
  return call >= first_failure_ && call - first_failure_ < failures_;
}

FaultyDisk::File& FaultyDisk::file(int fd) {
  struct stat facts {};
  util::ensure(::fstat(fd, &facts) == 0, "an open descriptor");
  File& file = files_[facts.st_ino];
  if (!file.fd) file.fd.reset(::dup(fd));
  return file;
}

util::Result<os::UniqueFd> FaultyDisk::open(const std::string& path, Access access) {
  const std::lock_guard lock(mutex_);
  if (access == Access::kCreateWriteOnly) access = Access::kCreateNew;  // what is overwritten must be read
  if (access == Access::kCreateNew) {
    if (fails_now()) return util::system_error("open " + path, ENOSPC);
    names_before_.push_back([path] { ::unlink(path.c_str()); });
  }
  return RealDisk::open(path, access);
}

util::Result<size_t> FaultyDisk::pwritev(int fd, std::span<const iovec> pieces, uint64_t offset) {
  const std::lock_guard lock(mutex_);
  std::string bytes;
  for (const iovec& piece : pieces) bytes.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
  const bool fails = fails_now();
  // A write that fails may have written something.
  bytes.resize(fails ? bytes.size() / 2 : std::min<uint64_t>(bytes.size(), longest_write_));
  std::string before(bytes.size(), '\0');
  auto read = RealDisk::pread(fd, before, offset);
  if (!read) return read;
  file(fd).unsynced.push_back({offset, before});
  const iovec piece{bytes.data(), bytes.size()};
  if (!bytes.empty()) {
    auto written = RealDisk::pwritev(fd, std::span(&piece, 1), offset);
    if (!written) return written;
  }
  if (fails) return util::system_error("write", EIO);
  return bytes.size();
}

util::Result<void> FaultyDisk::sync_data(int fd) {
  const std::lock_guard lock(mutex_);
  File& synced = file(fd);
  if (fails_now()) {
    synced.lost = synced.unsynced.size();
    return util::system_error("fdatasync", EIO);
  }
  synced.unsynced.resize(synced.lost);
  return {};
}

util::Result<void> FaultyDisk::preallocate(int fd, uint64_t length) {
  const std::lock_guard lock(mutex_);
  if (fails_now()) return util::system_error("allocate space", ENOSPC);
  return RealDisk::preallocate(fd, length);
}

util::Result<void> FaultyDisk::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  if (fails_now()) return util::system_error("rename " + from, EIO);
  names_before_.push_back([from, to] { ::rename(to.c_str(), from.c_str()); });
  return RealDisk::rename(from, to);
}

util::Result<void> FaultyDisk::unlink(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (fails_now()) return util::system_error("remove " + path, EIO);
  const std::string hidden = path + ".gone";
  if (::rename(path.c_str(), hidden.c_str()) != 0) return util::system_error("remove " + path, errno);
  names_before_.push_back([path, hidden] { ::rename(hidden.c_str(), path.c_str()); });
  return {};
}

util::Result<void> FaultyDisk::sync_folder(const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (fails_now()) return util::system_error("sync " + path, EIO);
  names_before_.clear();
  return {};
}

void FaultyDisk::cut_power(uint64_t kept) {
  failures_ = 0;
  for (auto& [inode, file] : files_) {
    for (auto write = file.unsynced.rbegin(); write != file.unsynced.rend(); ++write) {
      const uint64_t skipped = std::min<uint64_t>(kept, write->before.size());
      const std::string_view undone = std::string_view(write->before).substr(skipped);
      if (undone.empty()) continue;
      const ssize_t n =
          ::pwrite(file.fd.get(), undone.data(), undone.size(), static_cast<off_t>(write->offset + skipped));
      util::ensure(n == static_cast<ssize_t>(undone.size()), "undo a write");
    }
  }
  files_.clear();
  for (auto undo = names_before_.rbegin(); undo != names_before_.rend(); ++undo) (*undo)();
  names_before_.clear();
}

}  // namespace hikyaku::queue
