// How long a client is waited for: not only from octet to octet, so that one who sends an octet now and then does not
// stay for ever. Pure.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace hikyaku::smtpd {

class Patience {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::microseconds;

  // `most` is smtpd_timeout: for a whole command, for the reply to be taken, for content to come. `least_rate` is
  // smtpd_min_data_rate in octets a second, not 0: content that comes as fast never runs out of time.
  Patience(Duration most, uint64_t least_rate) : most_(most), least_rate_(least_rate) {}

  // It is the client's turn.
  void begin(Time now) { end_ = now + most_; }
  // So many octets of content came: they buy time, but never more than there was at the beginning.
  void received(Time now, size_t octets) {
    const Duration bought(octets * uint64_t{1'000'000} / least_rate_);
    end_ = std::min(end_ + bought, now + most_);
  }
  Duration left(Time now) const { return std::max(Duration(0), std::chrono::duration_cast<Duration>(end_ - now)); }

 private:
  Duration most_;
  uint64_t least_rate_;
  Time end_{};
};

}  // namespace hikyaku::smtpd
