// A thread that waits for the disk in the loop's stead.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "event/loop.h"
#include "os/unique_fd.h"

namespace hikyaku::cleanup {

class FlushThread {
 public:
  // `ended` is called in the loop when a job was done. Throws util::StartupError when there is no thread or descriptor
  // to be had.
  FlushThread(event::Loop& loop, std::function<void()> ended);
  // Waits for the job at hand.
  ~FlushThread();
  FlushThread(const FlushThread&) = delete;
  FlushThread& operator=(const FlushThread&) = delete;

  // One job at a time: the next may be started when `ended` is called, or after wait().
  void start(std::function<void()> job);
  // Blocks until the job is done; `ended` is not called for it.
  void wait();

 private:
  void run();
  void look();
  void clear_event();

  std::function<void()> ended_;
  os::UniqueFd event_;
  event::Watch watch_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> job_;
  bool busy_ = false, stop_ = false;

  std::thread thread_;  // the last: it sees all of the above
};

}  // namespace hikyaku::cleanup
