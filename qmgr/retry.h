// When a recipient is tried again after a temporary failure, and when that ends (rows 36, 40-44; C1, C2, C35, C36).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace hikyaku::qmgr {

using Time = std::chrono::sys_time<std::chrono::microseconds>;

// Seconds since 1970: of now, and of a time to wait until, which is exact in memory and rounded up where it is kept and
// shown.
inline int64_t second_of(Time time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}
inline int64_t kept_second(Time time) {
  return std::chrono::ceil<std::chrono::seconds>(time).time_since_epoch().count();
}

enum class RetryMethod {
  kLinear,       // row 41: the interval is a
  kExponential,  // row 42: the interval is a·n + b; the name is that of the sources, it grows by a each time (C1)
};

struct RetryRule {
  std::chrono::seconds period{86400};
  RetryMethod method = RetryMethod::kExponential;
  std::chrono::seconds a{480};
  std::chrono::seconds b{-240};
  int jitter_percent = 0;  // 0-50: so much of the interval at most, to either side

  bool operator==(const RetryRule&) const = default;
};

struct RetryFacts {
  Time now;
  Time queued;          // when the message arrived: the period is the message's,
  uint32_t retry = 1;   // the number is the recipient's (C35): of the retry to be planned = attempts made, at least 1
  double chance = 0.5;  // in [0, 1), for jitter only
  // False when no attempt was made since the wall clock jumped: then the message is not given up (see next_attempt).
  bool attempted_since_jump = true;
};

// When the next attempt is due, or nothing: give up now ("retry timeout"). `rule` is one that main.cf may have: an
// interval within the period, no value above a year (lib/config/cross_rules.cc).
//
// Given up is when next − queued > period, judged when the retry is planned (row 40; C2); equality still retries. A
// pass that is skipped because its destination is dead asks with the same `retry` again (C36). A clock that jumped
// forward makes mail look old: what would be given up without an attempt after the jump is due at once instead. A clock
// that stands before `queued` says nothing about the age, so the age is what the retries planned so far add up to.
std::optional<Time> next_attempt(const RetryRule& rule, const RetryFacts& facts);

}  // namespace hikyaku::qmgr
