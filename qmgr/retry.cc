// When a recipient is tried again, and when that ends.
#include "qmgr/retry.h"

#include <algorithm>

namespace hikyaku::qmgr {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

constexpr seconds kLongestPeriod = std::chrono::hours{365 * 24};
// Intervals that grow have added up to more than the longest period by then; the bound keeps products in range.
constexpr int64_t kMostRetries = 10'000;

seconds interval(const RetryRule& rule, int64_t n) {
  return rule.method == RetryMethod::kLinear ? rule.a : rule.a * n + rule.b;
}

// Sum of the intervals 1 … n; what is beyond every period is cut.
seconds sum_of_intervals(const RetryRule& rule, int64_t n) {
  const seconds sum = rule.method == RetryMethod::kLinear ? rule.a * n : rule.a * (n * (n + 1) / 2) + rule.b * n;
  return std::min(sum, kLongestPeriod);
}

microseconds with_jitter(const RetryRule& rule, seconds exact, double chance) {
  if (rule.jitter_percent == 0) return exact;
  const double share = rule.jitter_percent / 100.0 * (2 * chance - 1);
  const microseconds whole = exact;
  return whole + microseconds{static_cast<int64_t>(static_cast<double>(whole.count()) * share)};
}

}  // namespace

std::optional<Time> next_attempt(const RetryRule& rule, const RetryFacts& facts) {
  const int64_t n = std::clamp<int64_t>(facts.retry, 1, kMostRetries);
  const microseconds wait = with_jitter(rule, interval(rule, n), facts.chance);
  const microseconds age = facts.now >= facts.queued ? facts.now - facts.queued : sum_of_intervals(rule, n - 1);
  if (age + wait <= rule.period) return facts.now + wait;
  if (!facts.attempted_since_jump) return facts.now;
  return std::nullopt;
}

}  // namespace hikyaku::qmgr
