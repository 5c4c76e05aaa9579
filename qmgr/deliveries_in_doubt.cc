// Work that was in the hand of a worker when it died.
#include <fmt/format.h>

#include <algorithm>

#include "qmgr/deliveries.h"

namespace hikyaku::qmgr {

void Deliveries::lost(uint64_t number, const std::string& worker, Time now) {
  const bool was_trial = suspects_[kDelivery].on_trial(number) || suspects_[kReport].on_trial(number);
  const auto job = end_job(number, Scheduler::Ended::kNotTried);
  Message* message = job ? ledger_.find(job->id) : nullptr;
  if (message == nullptr) return;
  const std::string id = queue::to_text(job->id);
  logger_.warning(fmt::format("{}: {} in doubt: {} died; may be sent more than once", id,
                              job->is_report ? "report" : "delivery", worker));
  message->deaths = was_trial ? static_cast<uint8_t>(message->deaths + 1) : std::max<uint8_t>(message->deaths, 1);
  if (message->deaths >= Suspects::kMostDeaths) {
    const std::string reason = fmt::format("its {} ended {} three times", job->is_report ? "report" : "delivery",
                                           job->is_report ? "bounce" : "smtp-client");
    logger_.error(fmt::format("{}: held: {}", id, reason));
    ledger_.hold(*message, true, reason);
  }
  take_back(*job, now);
}

std::optional<Deliveries::Outgoing> Deliveries::next_suspect(bool is_report, Suspects::Monotonic turn, Time now) {
  while (const auto id = suspects_[is_report].next(turn)) {
    Message* message = ledger_.find(*id);
    if (message == nullptr || message->deaths == 0 || (message->held && !is_report)) continue;
    auto outgoing = is_report ? hand_out_report(*message) : begin_trial(*message, now);
    if (!outgoing) continue;
    suspects_[is_report].begin(outgoing->number, turn);
    return outgoing;
  }
  return std::nullopt;
}

// One transaction: the recipients that have the same next hop as the first.
std::optional<Deliveries::Outgoing> Deliveries::begin_trial(Message& message, Time now) {
  Job job{.id = message.id, .recipients = {}, .lane = Lane::kRetry};
  for (uint32_t index = 0; index < message.recipients.size() && job.recipients.size() < config_.recipients_each;
       ++index) {
    if (message.recipients[index].step != Step::kReady) continue;
    Destination* destination = destination_for(message, index);
    if (destination == nullptr || (job.destination != nullptr && destination != job.destination)) continue;
    job.destination = destination;
    job.recipients.push_back(index);
    message.recipients[index].step = Step::kInHand;
  }
  if (job.recipients.empty()) {
    settle(message, now);
    return std::nullopt;
  }
  scheduler_.begun(*job.destination, job.lane);
  const uint64_t number = ++last_job_;
  return Outgoing{number, &jobs_.emplace(number, std::move(job)).first->second, &message};
}

// It was answered for as any other message. What else of it is ready goes on among the others.
void Deliveries::clear(Message& message, Time now) {
  message.deaths = 0;
  std::vector<uint32_t> ready;
  for (uint32_t index = 0; index < message.recipients.size(); ++index)
    if (message.recipients[index].step == Step::kReady) ready.push_back(index);
  if (!message.held && !ready.empty()) make_ready(message, ready, Lane::kRetry, now);
}

}  // namespace hikyaku::qmgr
