// The system calls.
#include "queue/disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "os/file.h"
#include "util/text.h"

namespace hikyaku::queue {
namespace {

constexpr size_t kNumberDigits = 10;

// Repeats a call that a signal interrupted.
template <class Call>
auto retried(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

}  // namespace

util::Result<os::UniqueFd> RealDisk::open(const std::string& path, Access access) {
  int flags = O_CLOEXEC | O_NOFOLLOW;
  if (access == Access::kRead) flags |= O_RDONLY;
  if (access == Access::kWrite) flags |= O_RDWR;
  if (access == Access::kCreateNew) flags |= O_RDWR | O_CREAT | O_EXCL;
  if (access == Access::kCreateWriteOnly) flags |= O_WRONLY | O_CREAT | O_EXCL;
  os::UniqueFd fd(retried([&] { return ::open(path.c_str(), flags, 0600); }));
  if (!fd) return util::system_error("open " + path, errno);
  return fd;
}

util::Result<size_t> RealDisk::pread(int fd, std::span<char> buffer, uint64_t offset) {
  return os::read_at(fd, buffer, offset);
}

util::Result<size_t> RealDisk::pwritev(int fd, std::span<const iovec> pieces, uint64_t offset) {
  const ssize_t n = retried(
      [&] { return ::pwritev(fd, pieces.data(), static_cast<int>(pieces.size()), static_cast<off_t>(offset)); });
  if (n < 0) return util::system_error("write", errno);
  if (n == 0) return util::system_error("write", EIO);
  return static_cast<size_t>(n);
}

util::Result<void> RealDisk::sync_data(int fd) {
  if (::fdatasync(fd) != 0) return util::system_error("fdatasync", errno);
  return {};
}

util::Result<void> RealDisk::preallocate(int fd, uint64_t length) {
  const int error = ::posix_fallocate(fd, 0, static_cast<off_t>(length));
  if (error != 0) return util::system_error("allocate space", error);
  return {};
}

void RealDisk::start_writeback(int fd, uint64_t offset, uint64_t length) {
  ::sync_file_range(fd, static_cast<off_t>(offset), static_cast<off_t>(length), SYNC_FILE_RANGE_WRITE);
}

void RealDisk::await_writeback(int fd, uint64_t offset, uint64_t length) {
  ::sync_file_range(fd, static_cast<off_t>(offset), static_cast<off_t>(length),
                    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
}

util::Result<uint64_t> RealDisk::size(int fd) {
  struct stat facts {};
  if (::fstat(fd, &facts) != 0) return util::system_error("fstat", errno);
  return static_cast<uint64_t>(facts.st_size);
}

util::Result<int64_t> RealDisk::last_write(int fd) {
  struct stat facts {};
  if (::fstat(fd, &facts) != 0) return util::system_error("fstat", errno);
  return int64_t{facts.st_mtim.tv_sec} * 1'000'000 + facts.st_mtim.tv_nsec / 1000;
}

util::Result<void> RealDisk::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return util::system_error("rename " + from + " to " + to, errno);
  return {};
}

util::Result<void> RealDisk::unlink(const std::string& path) {
  if (::unlink(path.c_str()) != 0) return util::system_error("remove " + path, errno);
  return {};
}

util::Result<void> RealDisk::sync_folder(const std::string& path) { return os::sync_folder(path); }

util::Result<std::vector<std::string>> RealDisk::list(const std::string& folder) {
  struct CloseFolder {
    void operator()(DIR* open_folder) const { ::closedir(open_folder); }
  };
  const std::unique_ptr<DIR, CloseFolder> entries(::opendir(folder.c_str()));
  if (!entries) return util::system_error("open " + folder, errno);
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(entries.get());
    if (entry == nullptr && errno != 0) return util::system_error("list " + folder, errno);
    if (entry == nullptr) break;
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  std::ranges::sort(names);
  return names;
}

util::Result<uint64_t> RealDisk::free_space(const std::string& folder) {
  struct statvfs facts {};
  if (::statvfs(folder.c_str(), &facts) != 0) return util::system_error("statvfs " + folder, errno);
  return uint64_t{facts.f_bavail} * facts.f_frsize;
}

util::Result<void> write_fully(Disk& disk, int fd, std::span<iovec> pieces, uint64_t offset) {
  while (!pieces.empty()) {
    if (pieces.front().iov_len == 0) {
      pieces = pieces.subspan(1);
      continue;
    }
    auto written = disk.pwritev(fd, pieces.first(std::min<size_t>(pieces.size(), IOV_MAX)), offset);
    if (!written) return std::unexpected(written.error());
    offset += *written;
    for (size_t rest = *written; rest > 0;) {
      iovec& piece = pieces.front();
      const size_t step = std::min(rest, piece.iov_len);
      piece.iov_base = static_cast<char*>(piece.iov_base) + step;
      piece.iov_len -= step;
      rest -= step;
      if (piece.iov_len == 0) pieces = pieces.subspan(1);
    }
  }
  return {};
}

util::Result<void> write_fully(Disk& disk, int fd, std::string_view bytes, uint64_t offset) {
  iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  return write_fully(disk, fd, std::span(&piece, 1), offset);
}

util::Result<std::string> read_whole(Disk& disk, const std::string& path) {
  auto fd = disk.open(path, Access::kRead);
  if (!fd) return std::unexpected(fd.error());
  auto size = disk.size(fd->get());
  if (!size) return std::unexpected(size.error());
  std::string bytes(*size, '\0');
  auto read = disk.pread(fd->get(), bytes, 0);
  if (!read) return util::temporary(path + ": " + read.error().text);
  bytes.resize(*read);
  return bytes;
}

std::string numbered_name(std::string_view prefix, uint32_t number) {
  const std::string digits = std::to_string(number);
  return std::string(prefix).append(kNumberDigits - digits.size(), '0') + digits;
}

std::optional<uint32_t> parse_numbered_name(std::string_view prefix, std::string_view name) {
  if (!name.starts_with(prefix) || name.size() != prefix.size() + kNumberDigits) return std::nullopt;
  const auto number = util::parse_number(name.substr(prefix.size()));
  if (!number || *number > UINT32_MAX) return std::nullopt;
  return static_cast<uint32_t>(*number);
}

util::Result<std::vector<uint32_t>> list_numbered(Disk& disk, const std::string& folder, std::string_view prefix) {
  auto names = disk.list(folder);
  if (!names) return std::unexpected(names.error());
  std::vector<uint32_t> numbers;
  for (const std::string& name : *names) {
    if (const auto number = parse_numbered_name(prefix, name)) numbers.push_back(*number);
  }
  return numbers;
}

}  // namespace hikyaku::queue
