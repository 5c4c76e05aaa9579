// The event loop over libevent.
#include "event/loop.h"

#include <event2/event.h>

#include <algorithm>
#include <utility>

#include "util/error.h"

namespace hikyaku::event {

namespace {

timeval to_timeval(Duration delay) {
  const auto micros = std::max<int64_t>(delay.count(), 0);
  return {.tv_sec = micros / 1000000, .tv_usec = micros % 1000000};
}

}  // namespace

Loop::Loop() {
  event_config* config = event_config_new();
  event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
  event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
  base_ = event_base_new_with_config(config);
  event_config_free(config);
  if (base_ == nullptr) throw util::StartupError("cannot make an event loop", util::kExitSoftware);
}

Loop::~Loop() { event_base_free(base_); }

void Loop::run() {
  stopped_ = false;
  end_turn();
  while (!stopped_) {
    now_known_ = false;
    event_base_loop(base_, EVLOOP_ONCE);
    end_turn();
  }
}

void Loop::end_turn() {
  if (before_hooks_) before_hooks_();
  // Hooks may schedule others, or be destroyed by others: take them one by one, by index.
  for (size_t i = 0; i < due_.size(); ++i) {
    TurnEnd* hook = due_[i];
    if (hook == nullptr) continue;
    hook->scheduled_ = false;
    due_[i] = nullptr;
    hook->work_();
  }
  due_.clear();
  if (after_turn_) after_turn_();
}

TurnEnd::~TurnEnd() {
  if (scheduled_) std::replace(loop_.due_.begin(), loop_.due_.end(), this, static_cast<TurnEnd*>(nullptr));
}

void TurnEnd::schedule() {
  if (scheduled_) return;
  scheduled_ = true;
  loop_.due_.push_back(this);
}

Watch::Watch(Loop& loop, int fd, Interest interest, std::function<void()> ready) : ready_(std::move(ready)) {
  const short what = interest == Interest::kRead ? EV_READ : EV_WRITE;
  event_ = event_new(loop.base(), fd, static_cast<short>(what | EV_PERSIST), &Watch::call, this);
  util::ensure(event_ != nullptr, "out of memory for an event");
}

Watch::~Watch() { event_free(event_); }

void Watch::enable() {
  if (!std::exchange(enabled_, true)) event_add(event_, nullptr);
}

void Watch::disable() {
  if (std::exchange(enabled_, false)) event_del(event_);
}

void Watch::call(int, short, void* self) noexcept { static_cast<Watch*>(self)->ready_(); }

Timer::Timer(Loop& loop, std::function<void()> expired) : expired_(std::move(expired)) {
  event_ = evtimer_new(loop.base(), &Timer::call, this);
  util::ensure(event_ != nullptr, "out of memory for a timer");
}

Timer::~Timer() { event_free(event_); }

void Timer::set(Duration delay) {
  const timeval wait = to_timeval(delay);
  event_add(event_, &wait);
  armed_ = true;
}

void Timer::cancel() {
  if (std::exchange(armed_, false)) event_del(event_);
}

void Timer::call(int, short, void* self) noexcept {
  auto* timer = static_cast<Timer*>(self);
  timer->armed_ = false;
  timer->expired_();
}

Deadline::Deadline(Loop& loop, std::function<void()> expired)
    : loop_(loop), expired_(std::move(expired)), timer_(loop, [this] { look(); }) {}

void Deadline::set(Duration from_now) {
  at_ = loop_.now() + from_now;
  wanted_ = true;
  if (timer_.armed() && timer_at_ <= at_) return;
  timer_at_ = at_;
  timer_.set(from_now);
}

void Deadline::look() {
  if (!wanted_) return;
  const auto now = std::chrono::steady_clock::now();
  if (now < at_) {
    timer_at_ = at_;
    timer_.set(std::chrono::ceil<Duration>(at_ - now));
    return;
  }
  wanted_ = false;
  expired_();
}

Signal::Signal(Loop& loop, int number, std::function<void()> caught) : caught_(std::move(caught)) {
  event_ = evsignal_new(loop.base(), number, &Signal::call, this);
  util::ensure(event_ != nullptr, "out of memory for a signal");
  event_add(event_, nullptr);
}

Signal::~Signal() { event_free(event_); }

void Signal::call(int, short, void* self) noexcept { static_cast<Signal*>(self)->caught_(); }

}  // namespace hikyaku::event
