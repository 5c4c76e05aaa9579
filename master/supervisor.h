// What becomes of one service process: a full table of state × event, pure. The caller carries out the actions and
// tells what happened.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

namespace hikyaku::master {

using Monotonic = std::chrono::steady_clock::time_point;
using Pause = std::chrono::milliseconds;

enum class State : uint8_t {
  kDown,      // no process, and none is wanted
  kStarting,  // there is a process, not ready yet
  kRunning,
  kWaiting,   // the process has ended; another comes after a pause
  kDraining,  // told to end; none is wanted after it
};
inline constexpr int kStates = 5;

enum class Event : uint8_t {
  kStart,      // a process is wanted
  kReady,      // the process said that it does its work
  kExited,     // the process has ended, or could not be made
  kPauseOver,  // of kRestartLater
  kHung,       // the process gave no sign of life for too long
  kDrain,      // none is wanted any more; it may finish what it has in hand
  kKill,       // none is wanted any more, at once
};
inline constexpr int kEvents = 7;

enum class Action : uint8_t {
  kNone,
  kSpawn,
  kSendDrain,
  kKill,          // SIGKILL; kExited follows
  kRestartLater,  // kPauseOver after Step::pause
  kForget,        // no process, none to come: whoever waited for that can go on
};

struct Step {
  Action action = Action::kNone;
  Pause pause{};

  bool operator==(const Step&) const = default;
};

// Pauses between the end of a process and the next: none, 100 ms, 200 ms … 5 s; none again after one that ran well.
inline constexpr Pause kFirstPause{100};
inline constexpr Pause kLongestPause{5000};
inline constexpr Pause kRanWell{10000};

class Supervisor {
 public:
  State state() const { return state_; }
  // Processes that ended although they were wanted.
  uint64_t restarts() const { return restarts_; }

  Step handle(Event event, Monotonic now);

 private:
  Step pause_before_restart(Monotonic now);

  State state_ = State::kDown;
  Pause next_pause_{};
  std::optional<Monotonic> running_since_;
  uint64_t restarts_ = 0;
};

// As `status` shows it.
std::string_view name_of(State state);

}  // namespace hikyaku::master
