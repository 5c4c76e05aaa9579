// Files.
#include "os/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>

namespace hikyaku::os {

util::Result<std::string> read_file(const std::string& path, size_t limit) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return util::system_error("open " + path, errno);
  std::string bytes;
  char chunk[64 << 10];
  for (;;) {
    const ssize_t n = ::read(fd.get(), chunk, sizeof chunk);
    if (n == 0) return bytes;
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return util::system_error("read " + path, errno);
    bytes.append(chunk, static_cast<size_t>(n));
    if (bytes.size() > limit) return util::permanent(path + ": larger than " + std::to_string(limit) + " bytes");
  }
}

util::Result<size_t> read_at(int fd, std::span<char> buffer, uint64_t offset) {
  size_t done = 0;
  while (done < buffer.size()) {
    const ssize_t n = ::pread(fd, &buffer[done], buffer.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return util::system_error("read", errno);
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  return done;
}

util::Result<void> write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return util::system_error("write", errno);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return {};
}

util::Result<void> pwrite_all(int fd, std::string_view bytes, off_t offset) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return util::system_error("write", errno);
    bytes.remove_prefix(static_cast<size_t>(n));
    offset += n;
  }
  return {};
}

util::Result<void> sync_folder(const std::string& path) {
  const UniqueFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return util::system_error("open " + path, errno);
  if (::fsync(folder.get()) != 0) return util::system_error("sync " + path, errno);
  return {};
}

util::Result<void> replace_file(const std::string& path, std::string_view bytes, int mode) {
  const std::string temporary = path + ".new";
  UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!fd) return util::system_error("create " + temporary, errno);
  if (auto written = write_all(fd.get(), bytes); !written) return written;
  if (::fsync(fd.get()) != 0) return util::system_error("sync " + temporary, errno);
  fd.reset();
  if (::rename(temporary.c_str(), path.c_str()) != 0) return util::system_error("rename to " + path, errno);
  const size_t slash = path.rfind('/');
  return sync_folder(slash == std::string::npos ? "." : path.substr(0, slash + 1));
}

util::Result<UniqueFd> memory_file(const char* name, std::string_view bytes) {
  UniqueFd fd(::memfd_create(name, MFD_CLOEXEC));
  if (!fd) return util::system_error("memfd_create", errno);
  if (auto written = pwrite_all(fd.get(), bytes, 0); !written) return std::unexpected(written.error());
  return fd;
}

}  // namespace hikyaku::os
