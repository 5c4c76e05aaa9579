// Seeing writes, and playing a cut.
#include "t/fault/power/watched_writes.h"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "os/file.h"

namespace hikyaku::queue {
namespace {

constexpr uint64_t kSector = 512;

WatchedWrites* watching = nullptr;

void put(std::string& content, uint64_t offset, std::string_view bytes) {
  content.resize(std::max<uint64_t>(content.size(), offset + bytes.size()));
  content.replace(offset, bytes.size(), bytes);
}

}  // namespace

WatchedWrites::WatchedWrites(std::string path, bool flushes_lie) : path_(std::move(path)), flushes_lie_(flushes_lie) {
  if (auto now = os::read_file(path_)) first_ = std::move(*now);
  watching = this;
}

WatchedWrites::~WatchedWrites() { watching = nullptr; }

bool WatchedWrites::is_ours(int fd) const {
  struct stat open {
  }, named{};
  return ::fstat(fd, &open) == 0 && ::stat(path_.c_str(), &named) == 0 && open.st_ino == named.st_ino &&
         open.st_dev == named.st_dev;
}

void WatchedWrites::wrote(int fd, const void* bytes, size_t size, uint64_t offset) {
  if (watching != nullptr && watching->is_ours(fd))
    watching->changes_.push_back({false, offset, std::string(static_cast<const char*>(bytes), size)});
}

void WatchedWrites::flushed(int fd) {
  if (watching != nullptr && !watching->flushes_lie_ && watching->is_ours(fd))
    watching->changes_.push_back({true, 0, {}});
}

std::string WatchedWrites::after_cut(size_t at, Chance& chance) const {
  std::string content = first_;
  std::vector<const Change*> unsynced;
  for (size_t i = 0; i < at; ++i) {
    if (!changes_[i].is_flush) {
      unsynced.push_back(&changes_[i]);
      continue;
    }
    for (const Change* done : unsynced) put(content, done->offset, done->bytes);
    unsynced.clear();
  }
  // Of each sector the contents that it had since the flush, the latest last.
  std::map<uint64_t, std::vector<std::pair<uint64_t, std::string_view>>> sectors;
  for (const Change* change : unsynced) {
    std::string_view rest = change->bytes;
    for (uint64_t offset = change->offset; !rest.empty();) {
      const size_t size = std::min<size_t>(rest.size(), kSector - offset % kSector);
      sectors[offset / kSector].emplace_back(offset, rest.substr(0, size));
      rest.remove_prefix(size);
      offset += size;
    }
  }
  const uint64_t way = chance() % 4;  // now and then all or nothing
  for (const auto& [sector, writes] : sectors) {
    const size_t kept = way == 0 ? 0 : way == 1 ? writes.size() : chance() % (writes.size() + 1);
    for (size_t i = 0; i < kept; ++i) put(content, writes[i].first, writes[i].second);
  }
  return content;
}

}  // namespace hikyaku::queue

// ---- before the C library's: a shared library's calls find the program's own first

extern "C" {

ssize_t pwrite(int fd, const void* bytes, size_t size, off_t offset) {
  const ssize_t done = ::syscall(SYS_pwrite64, fd, bytes, size, offset);
  if (done > 0)
    hikyaku::queue::WatchedWrites::wrote(fd, bytes, static_cast<size_t>(done), static_cast<uint64_t>(offset));
  return done;
}

ssize_t writev(int fd, const iovec* pieces, int count) {
  auto offset = static_cast<uint64_t>(::lseek(fd, 0, SEEK_CUR));
  const ssize_t done = ::syscall(SYS_writev, fd, pieces, count);
  auto rest = static_cast<size_t>(std::max<ssize_t>(done, 0));
  for (int i = 0; i < count && rest > 0; ++i) {
    const size_t size = std::min(rest, pieces[i].iov_len);
    hikyaku::queue::WatchedWrites::wrote(fd, pieces[i].iov_base, size, offset);
    offset += size;
    rest -= size;
  }
  return done;
}

int fdatasync(int fd) {
  const int done = static_cast<int>(::syscall(SYS_fdatasync, fd));
  if (done == 0) hikyaku::queue::WatchedWrites::flushed(fd);
  return done;
}

}  // extern "C"
