// The event loop of every daemon, over libevent: level-triggered, one thread, and with a notion of a "turn".
//
// An object may destroy itself in a callback, as the last thing that it does there: the callback's captures go with it.
//
// A turn is one wait and the handling of all that it reported. Work that is cheaper when done once for many
// (a write per peer, a flush for a group of messages, a write of log lines) is put off to the turn's end.
#pragma once

#include <chrono>
#include <functional>
#include <vector>

struct event;
struct event_base;

namespace hikyaku::event {

using Monotonic = std::chrono::steady_clock::time_point;
using Duration = std::chrono::microseconds;

class TurnEnd;

class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Handles events until stop() is called.
  void run();
  void stop() { stopped_ = true; }
  // One time for the whole turn: when it was first asked for, after the wait. (The clock as it stood before the wait
  // would be as old as the wait was long, and deadlines would come early by as much.)
  Monotonic now() {
    if (!now_known_) now_ = std::chrono::steady_clock::now();
    now_known_ = true;
    return now_;
  }
  event_base* base() { return base_; }
  // Called before the hooks of each turn, and after them: for the log. What was done is written there before anybody is
  // told of it, so that the lines of several daemons stand in their order; and what the hooks did is written too.
  void before_turn_end(std::function<void()> work) { before_hooks_ = std::move(work); }
  void after_every_turn(std::function<void()> work) { after_turn_ = std::move(work); }

 private:
  friend class TurnEnd;
  void end_turn();

  event_base* base_;
  bool stopped_ = false;
  Monotonic now_{};
  bool now_known_ = false;
  std::vector<TurnEnd*> due_;
  std::function<void()> before_hooks_, after_turn_;
};

// Work for the end of the turn. schedule() may be called any number of times in a turn, also from other
// hooks of the same turn: the work runs once for all that came before it.
class TurnEnd {
 public:
  TurnEnd(Loop& loop, std::function<void()> work) : loop_(loop), work_(std::move(work)) {}
  ~TurnEnd();
  TurnEnd(const TurnEnd&) = delete;
  TurnEnd& operator=(const TurnEnd&) = delete;

  void schedule();

 private:
  friend class Loop;
  Loop& loop_;
  std::function<void()> work_;
  bool scheduled_ = false;
};

// Calls `ready` in each turn in which `fd` can be read, or written, while it is enabled. Does not own the fd.
class Watch {
 public:
  enum class Interest { kRead, kWrite };
  Watch(Loop& loop, int fd, Interest interest, std::function<void()> ready);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  void enable();
  void disable();
  bool enabled() const { return enabled_; }

 private:
  static void call(int, short, void* self) noexcept;

  ::event* event_;
  std::function<void()> ready_;
  bool enabled_ = false;
};

// Calls `expired` once, `delay` after set(); set() again moves it.
class Timer {
 public:
  Timer(Loop& loop, std::function<void()> expired);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void set(Duration delay);
  void cancel();
  bool armed() const { return armed_; }

 private:
  static void call(int, short, void* self) noexcept;

  ::event* event_;
  std::function<void()> expired_;
  bool armed_ = false;
};

// A time by which something must have happened, moved often and reached seldom: moving it costs a store,
// because the timer below is only looked at when the earlier time comes.
class Deadline {
 public:
  Deadline(Loop& loop, std::function<void()> expired);

  void set(Duration from_now);
  void cancel() { wanted_ = false; }

 private:
  void look();

  Loop& loop_;
  std::function<void()> expired_;
  Timer timer_;
  Monotonic at_{};
  Monotonic timer_at_{};
  bool wanted_ = false;
};

// Calls `caught` in the loop, not in the signal handler.
class Signal {
 public:
  Signal(Loop& loop, int number, std::function<void()> caught);
  ~Signal();
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

 private:
  static void call(int, short, void* self) noexcept;

  ::event* event_;
  std::function<void()> caught_;
};

}  // namespace hikyaku::event
