// The table of one service process.
#include "master/supervisor.h"

#include <algorithm>
#include <array>
#include <utility>

namespace hikyaku::master {

namespace {

struct Cell {
  State next;
  Action action;
};

using enum State;

constexpr std::array<std::array<Cell, kEvents>, kStates> kTable = {{
    // kDown
    {{
        {kStarting, Action::kSpawn},  // kStart
        {kDown, Action::kNone},       // kReady
        {kDown, Action::kNone},       // kExited
        {kDown, Action::kNone},       // kPauseOver
        {kDown, Action::kNone},       // kHung
        {kDown, Action::kForget},     // kDrain
        {kDown, Action::kForget},     // kKill
    }},
    // kStarting
    {{
        {kStarting, Action::kNone},         // kStart
        {kRunning, Action::kNone},          // kReady
        {kWaiting, Action::kRestartLater},  // kExited
        {kStarting, Action::kNone},         // kPauseOver
        {kStarting, Action::kKill},         // kHung: its exit brings the next
        {kDraining, Action::kSendDrain},    // kDrain
        {kDraining, Action::kKill},         // kKill
    }},
    // kRunning
    {{
        {kRunning, Action::kNone},          // kStart
        {kRunning, Action::kNone},          // kReady: it has taken new settings
        {kWaiting, Action::kRestartLater},  // kExited
        {kRunning, Action::kNone},          // kPauseOver
        {kRunning, Action::kKill},          // kHung
        {kDraining, Action::kSendDrain},    // kDrain
        {kDraining, Action::kKill},         // kKill
    }},
    // kWaiting
    {{
        {kWaiting, Action::kNone},    // kStart
        {kWaiting, Action::kNone},    // kReady
        {kWaiting, Action::kNone},    // kExited
        {kStarting, Action::kSpawn},  // kPauseOver
        {kWaiting, Action::kNone},    // kHung
        {kDown, Action::kForget},     // kDrain
        {kDown, Action::kForget},     // kKill
    }},
    // kDraining
    {{
        {kDraining, Action::kNone},       // kStart
        {kDraining, Action::kNone},       // kReady: said before it read that it must end
        {kDown, Action::kForget},         // kExited
        {kDraining, Action::kNone},       // kPauseOver
        {kDraining, Action::kKill},       // kHung
        {kDraining, Action::kSendDrain},  // kDrain: with less time than before
        {kDraining, Action::kKill},       // kKill
    }},
}};

}  // namespace

Step Supervisor::handle(Event event, Monotonic now) {
  const Cell cell = kTable[static_cast<size_t>(state_)][static_cast<size_t>(event)];
  if (cell.next == kRunning && state_ != kRunning) running_since_ = now;
  state_ = cell.next;
  if (cell.action == Action::kRestartLater) return pause_before_restart(now);
  return {cell.action, {}};
}

Step Supervisor::pause_before_restart(Monotonic now) {
  const bool ran_well = running_since_ && now - *running_since_ >= kRanWell;
  running_since_.reset();
  ++restarts_;
  if (ran_well) next_pause_ = {};
  const Pause pause = next_pause_;
  next_pause_ = std::clamp(next_pause_ * 2, kFirstPause, kLongestPause);
  return {Action::kRestartLater, pause};
}

std::string_view name_of(State state) {
  constexpr std::array<std::string_view, kStates> kNames = {"stopped", "starting", "running", "waiting", "draining"};
  return kNames[static_cast<size_t>(state)];
}

}  // namespace hikyaku::master
