// The thread, and how the loop learns that it is ready.
#include "cleanup/flush_thread.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

#include "os/signals_blocked.h"
#include "util/error.h"

namespace hikyaku::cleanup {

FlushThread::FlushThread(event::Loop& loop, std::function<void()> ended)
    : ended_(std::move(ended)),
      event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      watch_(loop, event_.get(), event::Watch::Interest::kRead, [this] { look(); }) {
  if (!event_) throw util::StartupError(std::string("eventfd: ") + strerror(errno), util::kExitTryAgain);
  watch_.enable();
  const os::SignalsBlocked blocked;
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& error) {
    throw util::StartupError(std::string("thread: ") + error.what(), util::kExitTryAgain);
  }
}

FlushThread::~FlushThread() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void FlushThread::start(std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    util::ensure(!busy_, "one flush at a time");
    job_ = std::move(job);
    busy_ = true;
  }
  changed_.notify_all();
}

void FlushThread::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !busy_; });
  clear_event();
}

void FlushThread::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stop_ || job_; });
    if (!job_) return;
    const auto job = std::exchange(job_, nullptr);
    lock.unlock();
    job();
    lock.lock();
    busy_ = false;
    const uint64_t one = 1;
    (void)!::write(event_.get(), &one, sizeof one);  // cannot fail: the counter is read long before it is full
    changed_.notify_all();
  }
}

void FlushThread::clear_event() {
  uint64_t count = 0;
  (void)!::read(event_.get(), &count, sizeof count);  // not readable: nothing ended
}

void FlushThread::look() {
  {
    const std::lock_guard lock(mutex_);
    uint64_t count = 0;
    if (::read(event_.get(), &count, sizeof count) < 0) return;  // wait() took it
  }
  ended_();
}

}  // namespace hikyaku::cleanup
