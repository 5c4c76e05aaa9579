// What a wall clock that was set does to the times that were planned by it.
#include "qmgr/clock_jump.h"
#include "qmgr/deliveries.h"
#include "qmgr/rest.h"

namespace hikyaku::qmgr {

namespace {

constexpr size_t kLooksAtOnce = 1000;  // a millisecond's work

Time time_of(int64_t second) { return Time(std::chrono::seconds(second)); }

}  // namespace

// Not in the journal: the next qmgr bounds them as well.
bool Deliveries::bound_waits(Message& message, Time now) const {
  bool changed = false;
  for (RecipientState& state : message.recipients) {
    if (state.step != Step::kWaiting) continue;
    const int64_t bounded = kept_second(bounded_due(config_.retry, time_of(state.next_attempt), state.attempts, now));
    changed = changed || bounded != state.next_attempt;
    state.next_attempt = bounded;
  }
  return changed;
}

void Deliveries::clock_jumped(std::chrono::microseconds jump, Time now) {
  ++jumps_;
  late_from_ = queue::QueueId{0};
  if (jump.count() > 0) return;  // what is due by the new clock is due
  // All that is in memory, also what is on its way to the index. settle() may end a message: the ids are taken first.
  std::vector<queue::QueueId> ids;
  for (const auto& [id, message] : ledger_.messages())
    if (message.count(Step::kWaiting) > 0) ids.push_back(message.id);
  for (const queue::QueueId id : ids) {
    Message& message = *ledger_.find(id);
    forget_wake(message);
    for (RecipientState& state : message.recipients)
      if (state.step == Step::kWaiting)
        state.next_attempt = kept_second(due_after_jump(time_of(state.next_attempt), jump));
    ledger_.stay(message);
    settle(message, now);
  }
}

util::Result<void> Deliveries::look_for_late(Time now) {
  if (!late_from_ || ledger_.leaving() > kLooksAtOnce) return {};
  std::vector<queue::RestingMessage> resting;
  if (auto listed = ledger_.list_resting(*late_from_, kLooksAtOnce, resting); !listed) return listed;
  late_from_.reset();
  if (!resting.empty()) late_from_ = queue::QueueId{resting.back().id.value + 1};
  for (const queue::RestingMessage& one : resting) {
    Message seen = from_resting(one);
    if (seen.held || ledger_.find(one.id) != nullptr || !bound_waits(seen, now)) continue;
    Message* message = ledger_.load(one.id);
    if (message == nullptr) continue;
    bound_waits(*message, now);
    settle(*message, now);
  }
  return {};
}

}  // namespace hikyaku::qmgr
