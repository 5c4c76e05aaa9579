// How much may have been sent twice, because its outcome never became known. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace hikyaku::qmgr {

class Doubts {
 public:
  using Monotonic = std::chrono::steady_clock::time_point;
  static constexpr auto kEvery = std::chrono::minutes(1);

  // The next hop had the whole message, and its reply never came.
  void replies_lost(uint64_t recipients) { recipients_ += recipients; }
  // A worker died with the job in hand.
  void job_lost() { ++jobs_; }

  uint64_t recipients() const { return recipients_; }
  uint64_t jobs() const { return jobs_; }
  // A line for the log when there is news, and not more often than once in a while.
  std::optional<std::string> news(Monotonic now) {
    if (recipients_ + jobs_ == told_ || (told_at_ && now < *told_at_ + kEvery)) return std::nullopt;
    told_ = recipients_ + jobs_;
    told_at_ = now;
    return "in doubt since start: " + std::to_string(recipients_) + " recipients whose next hop's reply was lost, " +
           std::to_string(jobs_) + " jobs of workers that died";
  }

 private:
  uint64_t recipients_ = 0, jobs_ = 0, told_ = 0;
  std::optional<Monotonic> told_at_;
};

}  // namespace hikyaku::qmgr
