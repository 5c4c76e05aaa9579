// A lock that a process holds for life.
#include "os/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace hikyaku::os {

util::Result<UniqueFd> try_lock(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return util::system_error("open " + path, errno);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno != EWOULDBLOCK) return util::system_error("lock " + path, errno);
  return UniqueFd();
}

util::Result<UniqueFd> lock_own(const std::string& path) {
  while (true) {
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd) return util::system_error("open " + path, errno);
    struct stat status {};
    // Whoever looks at it holds the lock for a moment, and may have removed the file before it was locked here.
    if (::flock(fd.get(), LOCK_EX) == 0 && ::fstat(fd.get(), &status) == 0) {
      if (status.st_nlink > 0) return fd;
    } else if (errno != EINTR) {
      return util::system_error("lock " + path, errno);
    }
  }
}

util::Result<bool> remove_unlocked(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (!fd && errno == ENOENT) return true;
  if (!fd) return util::system_error("open " + path, errno);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return false;
    return util::system_error("lock " + path, errno);
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return util::system_error("remove " + path, errno);
  return true;
}

}  // namespace hikyaku::os
