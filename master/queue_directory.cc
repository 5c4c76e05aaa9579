// The queue directory, the PID file and the log file.
#include "master/queue_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "util/error.h"

namespace hikyaku::master {

namespace {

constexpr const char* kPidPath = "pid/master.pid";

[[noreturn]] void refuse(const std::string& what, int error) {
  const int code = error == EACCES || error == EPERM || error == EROFS ? util::kExitNoPermission
                   : error == ENOTDIR || error == ENOENT               ? util::kExitConfig
                                                                       : util::kExitUnavailable;
  throw util::StartupError(fmt::format("{}: {}", what, std::strerror(error)), code);
}

// A folder below the working directory. One that exists is put right, but never by way of a symbolic link.
void make_folder(const std::string& queue_directory, const char* name, mode_t mode, uid_t uid, gid_t gid) {
  const std::string shown = "queue_directory " + queue_directory + ", folder " + name;
  if (::mkdir(name, mode) != 0 && errno != EEXIST) refuse(shown, errno);
  const os::UniqueFd fd(::open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) refuse(shown, errno);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) refuse(shown, errno);
  if ((status.st_uid != uid || status.st_gid != gid) && ::fchown(fd.get(), uid, gid) != 0) refuse(shown, errno);
  if ((status.st_mode & 07777) != mode && ::fchmod(fd.get(), mode) != 0) refuse(shown, errno);
}

}  // namespace

void enter_queue_directory(const std::string& path, const Owner& owner) {
  const std::string shown = "queue_directory " + path;
  if (!path.starts_with('/')) throw util::StartupError(shown + ": must be a full path");
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) refuse(shown, errno);
  if (::chdir(path.c_str()) != 0) refuse(shown, errno);
  if (::access(".", W_OK | X_OK) != 0) refuse(shown, errno);
  for (const char* name : {"log", "journal", "index", "workers", "private"})
    make_folder(path, name, 0700, owner.uid, owner.gid);
  // Master's alone: what it writes there as root, the daemons' user must not be able to redirect.
  make_folder(path, "pid", 0755, ::geteuid(), ::getegid());
}

PidFile::PidFile() {
  fd_.reset(::open(kPidPath, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!fd_) refuse(kPidPath, errno);
  if (::flock(fd_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) refuse(kPidPath, errno);
    char text[16] = {};
    (void)!::pread(fd_.get(), text, sizeof text - 1, 0);
    const int pid = std::atoi(text);
    throw util::StartupError(pid > 0 ? fmt::format("already running, as process {}", pid) : "already running",
                             util::kExitUnavailable);
  }
  const std::string text = fmt::format("{}\n", ::getpid());
  if (::ftruncate(fd_.get(), 0) != 0 || ::pwrite(fd_.get(), text.data(), text.size(), 0) < 0) refuse(kPidPath, errno);
}

void PidFile::release() {
  if (fd_) (void)!::ftruncate(fd_.get(), 0);
  fd_.reset();
}

util::Result<os::UniqueFd> open_log(const std::string& maillog_file, const Owner& owner) {
  if (maillog_file.empty()) return os::UniqueFd();
  if (maillog_file == "/dev/stdout") return os::UniqueFd(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
  const std::string shown = "maillog_file " + maillog_file;
  if (!maillog_file.starts_with('/')) return util::permanent(shown + ": must be a full path");
  constexpr int kFlags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY;
  os::UniqueFd fd(::open(maillog_file.c_str(), kFlags, 0640));
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0)
    return util::permanent(fmt::format("{}: {}", shown, std::strerror(errno)));
  if (!S_ISREG(status.st_mode) || ::geteuid() != 0 || status.st_uid == owner.uid) return fd;
  if (::fchown(fd.get(), owner.uid, owner.gid) != 0)
    return util::permanent(fmt::format("{}: chown: {}", shown, std::strerror(errno)));
  return fd;
}

}  // namespace hikyaku::master
