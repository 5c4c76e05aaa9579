// How large the groups were and how long the disk took, for the operator.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace hikyaku::cleanup {

// Counts values in buckets that grow by a quarter: what it tells is up to so much too high.
class Quantiles {
 public:
  void add(uint64_t value);
  // The least value that `share` (0 to 1) of all do not exceed; 0 when there are none.
  uint64_t at(double share) const;

 private:
  std::array<uint64_t, 96> buckets_{};
  uint64_t count_ = 0, highest_ = 0;
};

class FlushStatistics {
 public:
  void add(size_t messages, std::chrono::microseconds took, bool in_thread);
  bool empty() const { return groups_ == 0; }
  // One line: "groups: 12, 3 of them flushed in a thread; messages in a group …".
  std::string text() const;

 private:
  uint64_t groups_ = 0, in_thread_ = 0, messages_ = 0;
  Quantiles sizes_, microseconds_;
};

}  // namespace hikyaku::cleanup
