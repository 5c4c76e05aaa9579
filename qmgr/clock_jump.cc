// A wall clock that is set.
#include "qmgr/clock_jump.h"

#include <algorithm>

namespace hikyaku::qmgr {

using std::chrono::microseconds;

std::optional<microseconds> ClockWatch::look(Time wall, Monotonic monotonic) {
  const auto lead = wall.time_since_epoch() - std::chrono::duration_cast<microseconds>(monotonic.time_since_epoch());
  const auto before = lead_.value_or(lead);
  lead_ = lead;
  const microseconds jump = lead - before;
  if (jump >= -kTolerance && jump <= kTolerance) return std::nullopt;
  return jump;
}

Time due_after_jump(Time due, microseconds jump) { return jump < microseconds{0} ? due + jump : due; }

Time bounded_due(const RetryRule& rule, Time due, uint32_t attempts, Time now) {
  // Asked as if it were planned now for a new message, so that the period does not matter, with the most of jitter.
  const auto longest = next_attempt(
      rule, {.now = now, .queued = now, .retry = std::max(attempts, 1u), .chance = 1.0, .attempted_since_jump = true});
  // No interval of the rule is within its period: not even the period is exceeded then.
  const Time latest = longest.value_or(now + rule.period);
  return std::min<Time>(due, std::chrono::ceil<std::chrono::seconds>(latest));
}

}  // namespace hikyaku::qmgr
