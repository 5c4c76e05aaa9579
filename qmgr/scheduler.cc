// Which job goes out next.
#include "qmgr/scheduler.h"

#include <algorithm>

namespace hikyaku::qmgr {

namespace {

constexpr size_t kManyDestinations = 10000;

}  // namespace

Destination& Scheduler::destination(const NextHop& hop) {
  auto& found = destinations_[smtp::to_text(hop)];
  if (!found) found = std::make_unique<Destination>(hop, rule_);
  return *found;
}

size_t Scheduler::waiting(const NextHop& hop, Lane lane) const {
  const auto found = destinations_.find(smtp::to_text(hop));
  if (found == destinations_.end()) return 0;
  return (lane == Lane::kFirst ? found->second->first_ : found->second->retry_).size();
}

// A destination stands in `ready_` at most once, and only while take() would give a task.
void Scheduler::list(Destination& destination) {
  if (destination.listed_ || destination.in_hand_ >= most_in_hand(destination)) return;
  const bool retry_allowed = destination.retries_in_hand_ < std::max(1u, most_in_hand(destination) / 2);
  if (destination.first_.empty() && (destination.retry_.empty() || !retry_allowed)) return;
  destination.listed_ = true;
  ready_.push_back(&destination);
}

void Scheduler::add(Destination& destination, Task task) {
  auto& lane = task.lane == Lane::kFirst ? destination.first_ : destination.retry_;
  lane.push_back(std::move(task));
  ++waiting_;
  list(destination);
}

void Scheduler::put_back(Destination& destination, Task task) {
  auto& lane = task.lane == Lane::kFirst ? destination.first_ : destination.retry_;
  lane.push_front(std::move(task));
  ++waiting_;
  list(destination);
}

// First attempts go before retries, but one job in eight may be a retry, so that these are not starved either.
std::optional<Task> Scheduler::take(Destination& destination) {
  const unsigned most = most_in_hand(destination);
  if (destination.in_hand_ >= most) return std::nullopt;
  const bool retry_allowed = destination.retries_in_hand_ < std::max(1u, most / 2);
  const bool retry_due = destination.retries_in_hand_ < std::max(1u, most / 8);
  const bool has_retry = !destination.retry_.empty() && retry_allowed;
  if (destination.first_.empty() && !has_retry) return std::nullopt;
  const bool retry = has_retry && (destination.first_.empty() || retry_due);
  auto& lane = retry ? destination.retry_ : destination.first_;
  Task task = std::move(lane.front());
  lane.pop_front();
  --waiting_;
  ++destination.in_hand_;
  destination.retries_in_hand_ += retry;
  return task;
}

std::optional<Scheduler::Pick> Scheduler::next() {
  while (!ready_.empty()) {
    Destination& destination = *ready_.front();
    ready_.pop_front();
    destination.listed_ = false;
    std::optional<Task> task = take(destination);
    list(destination);
    if (task) return Pick{&destination, std::move(*task)};
  }
  return std::nullopt;
}

void Scheduler::begun(Destination& destination, Lane lane) {
  ++destination.in_hand_;
  if (lane == Lane::kRetry) ++destination.retries_in_hand_;
}

void Scheduler::ended(Destination& destination, Lane lane, Ended how) {
  --destination.in_hand_;
  if (lane == Lane::kRetry) --destination.retries_in_hand_;
  if (how == Ended::kAnswered && destination.window_ < rule_.most) ++destination.window_;
  if (how == Ended::kUnreachable) destination.window_ = std::max(1u, destination.window_ / 2);
  list(destination);
}

void Scheduler::forget_idle(const Destination* keep) {
  if (destinations_.size() < kManyDestinations) return;
  std::erase_if(destinations_, [&](const auto& entry) {
    const Destination& one = *entry.second;
    return &one != keep && !one.listed_ && one.in_hand_ == 0 && one.first_.empty() && one.retry_.empty();
  });
}

}  // namespace hikyaku::qmgr
