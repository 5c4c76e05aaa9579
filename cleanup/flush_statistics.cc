// How large the groups were and how long the disk took.
#include "cleanup/flush_statistics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace hikyaku::cleanup {

namespace {

// 0, 1, 2, 3 … while a quarter is less than one, then a quarter more each time.
template <size_t count>
constexpr std::array<uint64_t, count> make_bounds() {
  std::array<uint64_t, count> bounds{};
  for (size_t i = 1; i < count; ++i) bounds[i] = std::max(bounds[i - 1] + 1, bounds[i - 1] * 5 / 4);
  return bounds;
}

constexpr auto kBounds = make_bounds<96>();

}  // namespace

void Quantiles::add(uint64_t value) {
  const auto bucket = std::min(std::ranges::lower_bound(kBounds, value), kBounds.end() - 1);
  ++buckets_[static_cast<size_t>(bucket - kBounds.begin())];
  ++count_;
  highest_ = std::max(highest_, value);
}

uint64_t Quantiles::at(double share) const {
  const auto wanted = static_cast<uint64_t>(std::ceil(share * static_cast<double>(count_)));
  uint64_t passed = 0;
  for (size_t i = 0; i + 1 < buckets_.size(); ++i) {
    passed += buckets_[i];
    if (passed >= wanted) return std::min(kBounds[i], highest_);
  }
  return highest_;
}

void FlushStatistics::add(size_t messages, std::chrono::microseconds took, bool in_thread) {
  ++groups_;
  in_thread_ += in_thread ? 1 : 0;
  messages_ += messages;
  sizes_.add(messages);
  microseconds_.add(static_cast<uint64_t>(std::max<int64_t>(took.count(), 0)));
}

std::string FlushStatistics::text() const {
  const auto milliseconds = [&](double share) { return static_cast<double>(microseconds_.at(share)) / 1000; };
  return fmt::format(
      "groups: {}, {} of them flushed in a thread; messages in a group: mean {:.1f}, p50 {}, p99 {}; "
      "flush: p50 {:.2f} ms, p99 {:.2f} ms",
      groups_, in_thread_, groups_ > 0 ? static_cast<double>(messages_) / static_cast<double>(groups_) : 0.0,
      sizes_.at(0.5), sizes_.at(0.99), milliseconds(0.5), milliseconds(0.99));
}

}  // namespace hikyaku::cleanup
