// What an operator does to a message.
#include "qmgr/deliveries.h"

namespace hikyaku::qmgr {

bool Deliveries::is_on_the_wire(const Message& message) const { return message.count(Step::kInHand) > 0; }

// They are due, but memory is not to hold all that an operator asks for at once.
void Deliveries::let_wait(Message& message, const std::vector<uint32_t>& recipients, Time now) {
  for (const uint32_t index : recipients)
    ledger_.deferred(message, index, message.recipients[index].attempts, second_of(now));
  forget_wake(message);
  ledger_.rest(message);
}

bool Deliveries::delete_unreadable(queue::QueueId id) {
  if (!ledger_.forget_unreadable(id)) return false;
  logger_.record(log::Removed{id});
  return true;
}

void Deliveries::act(ipc::Verb verb, Message& message, Time now) {
  std::vector<uint32_t> waiting;
  const bool in_lane_too =  // the task finds nothing left to do
      message.held || verb == ipc::Verb::kExpire || !message.is_in_lane();
  for (uint32_t index = 0; index < message.recipients.size(); ++index)
    if (message.recipients[index].step == Step::kWaiting ||
        (in_lane_too && message.recipients[index].step == Step::kReady))
      waiting.push_back(index);
  switch (verb) {
    case ipc::Verb::kRetry:
      if (message.held || waiting.empty()) return settle(message, now);
      if (is_crowded(message, Lane::kRetry) && waiting.size() == message.recipients.size())
        return let_wait(message, waiting, now);
      make_ready(message, waiting, Lane::kRetry, now);
      return settle(message, now);
    case ipc::Verb::kDelete:
      return remove(message);
    case ipc::Verb::kHold:
      ledger_.hold(message, true);
      return settle(message, now);
    case ipc::Verb::kRelease:
      if (!message.held) return settle(message, now);
      ledger_.hold(message, false);
      message.deaths = 0;
      return admit(message, now);
    case ipc::Verb::kExpire:
      if (!message.hold_reason.empty()) ledger_.hold(message, false);  // its report must not wait for a release
      message.deaths = 0;
      for (const uint32_t index : waiting) give_up(message, index, now);
      return settle(message, now);
  }
}

}  // namespace hikyaku::qmgr
