// A message as memory has it and as the index keeps it.
#include "qmgr/rest.h"

#include <utility>

#include "queue/crc32c.h"
#include "smtp/address.h"
#include "util/error.h"
#include "util/text.h"

namespace hikyaku::qmgr {

namespace {

queue::RecipientRest to_rest(const RecipientState& state) {
  std::string domain = util::to_lower(smtp::domain_of(state.recipient.address));
  if (state.step == Step::kDone) return {.step = queue::RestStep::kDone, .domain = std::move(domain)};
  const bool failed = state.step == Step::kReportDue || state.step == Step::kReporting;
  return {.step = failed ? queue::RestStep::kReportDue : queue::RestStep::kWaiting,
          .expired = state.expired,
          .attempts = state.attempts,
          .next_attempt = failed ? 0 : state.next_attempt,
          .last_attempt = state.last_attempt,
          .domain = std::move(domain),
          .enhanced_code = state.status,
          .reply = state.reply,
          .remote_mta = state.remote_mta};
}

void take_rest(RecipientState& state, const queue::RecipientRest& rest) {
  switch (rest.step) {
    case queue::RestStep::kWaiting:
      state.step = rest.next_attempt == 0 ? Step::kReady : Step::kWaiting;
      break;
    case queue::RestStep::kReportDue:
      state.step = Step::kReportDue;
      break;
    case queue::RestStep::kDone:
      state.step = Step::kDone;
      break;
  }
  state.expired = rest.expired;
  state.attempts = rest.attempts;
  state.next_attempt = rest.next_attempt;
  state.last_attempt = rest.last_attempt;
  state.status = rest.enhanced_code;
  state.reply = rest.reply;
  state.remote_mta = rest.remote_mta;
  state.recipient.address = "@" + rest.domain;
}

// The mail of one sender's domain is a group.
uint8_t group_of(const std::string& sender) {
  return static_cast<uint8_t>(queue::crc32c(util::to_lower(smtp::domain_of(sender))));
}

}  // namespace

queue::RestingMessage to_resting(const Message& message) {
  queue::RestingMessage resting{.id = message.id,
                                .place = message.place,
                                .arrival = message.arrival,
                                .group = group_of(message.sender),
                                .held = message.held,
                                .hold_reason = message.hold_reason,
                                .sender = message.sender,
                                .recipients = static_cast<uint32_t>(message.recipients.size()),
                                .common = {},
                                .differing = {}};
  bool has_common = false;
  for (const RecipientState& state : message.recipients) {
    if (state.step == Step::kDone) continue;
    resting.common = to_rest(state);
    has_common = true;
    break;
  }
  for (uint32_t index = 0; index < message.recipients.size(); ++index) {
    queue::RecipientRest rest = to_rest(message.recipients[index]);
    if (!has_common || rest != resting.common) resting.differing.push_back({index, std::move(rest)});
  }
  return resting;
}

Message from_resting(const queue::RestingMessage& resting) {
  Message message;
  message.id = resting.id;
  message.place = resting.place;
  message.arrival = resting.arrival;
  message.sender = resting.sender;
  message.eight_bit = (resting.place.flags & queue::kEightBit) != 0;
  message.held = resting.held;
  message.hold_reason = resting.hold_reason;
  message.indexed = true;
  message.recipients.resize(resting.recipients);
  for (RecipientState& state : message.recipients) take_rest(state, resting.common);
  for (const queue::DifferingRecipient& one : resting.differing)
    if (one.index < message.recipients.size()) take_rest(message.recipients[one.index], one.rest);
  return message;
}

bool take_envelope(Message& message, queue::Envelope&& envelope) {
  if (envelope.recipients.size() != message.recipients.size()) return false;
  message.smtputf8 = (message.place.flags & queue::kUtf8Header) != 0 || !util::is_ascii(envelope.sender);
  message.sender = std::move(envelope.sender);
  message.envelope_id = std::move(envelope.envelope_id);
  message.return_content = std::move(envelope.return_content);
  for (size_t i = 0; i < message.recipients.size(); ++i)
    message.recipients[i].recipient = std::move(envelope.recipients[i]);
  return true;
}

queue::RestingMessage as_kept(const queue::RestingMessage& resting) {
  auto parsed = queue::parse_message_value(resting.id, queue::message_value(resting));
  util::ensure(parsed.has_value(), "what the index is given can be read again");
  for (const queue::DifferingRecipient& one : resting.differing) {
    auto rest = queue::parse_recipient_value(resting.id, one.index, queue::recipient_value(resting.id, one));
    util::ensure(rest.has_value(), "what the index is given can be read again");
    parsed->message.differing.push_back({one.index, std::move(*rest)});
  }
  return std::move(parsed->message);
}

}  // namespace hikyaku::qmgr
