// A slow disk for the benchmarks, to be preloaded: every fdatasync and fsync takes FLUSH_DELAY_US longer.
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>

namespace {

int slowly(long call, int fd) {
  static const useconds_t delay = [] {
    const char* given = std::getenv("FLUSH_DELAY_US");
    return static_cast<useconds_t>(given != nullptr ? std::atol(given) : 0);
  }();
  const long result = ::syscall(call, fd);
  ::usleep(delay);
  return static_cast<int>(result);
}

}  // namespace

extern "C" int fdatasync(int fd) { return slowly(SYS_fdatasync, fd); }
extern "C" int fsync(int fd) { return slowly(SYS_fsync, fd); }
