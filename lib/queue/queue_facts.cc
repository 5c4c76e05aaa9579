// What index and journal say of each message.
#include "queue/queue_facts.h"

#include "util/overloaded.h"

namespace hikyaku::queue {
namespace {

RecipientFact fact_of(const RecipientRest& rest) {
  return {.done = rest.step == RestStep::kDone,
          .failed = rest.step == RestStep::kReportDue && !rest.enhanced_code.starts_with('2'),
          .attempts = rest.attempts,
          .enhanced_code = rest.enhanced_code,
          .reply = rest.reply};
}

void defer(RecipientFact& fact, const Deferred& deferred) {
  if (fact.done) return;
  fact.failed = false;
  fact.attempts = deferred.attempts;
  fact.enhanced_code = deferred.enhanced_code;
  fact.reply = deferred.reply;
}

}  // namespace

void QueueFacts::hear(const RestingMessage& resting) {
  Told& told = of(resting.id);
  told.hold = {resting.held, resting.hold_reason};
  told.others = fact_of(resting.common);
  for (const DifferingRecipient& one : resting.differing) told.recipients[one.index] = fact_of(one.rest);
  place(resting.id, resting.place);
}

void QueueFacts::hear(const JournalRecord& record) {
  std::visit(util::Overloaded{[&](const Checkpoint& checkpoint) { checkpoint_ = checkpoint.position; },
                              [&](const Completed& completed) {
                                Told& told = of(completed.id);
                                told = {};
                                told.completed = true;
                              },
                              [&](const Moved& moved) { place(moved.id, moved.place); },
                              [&](const Held& held) {
                                of(held.id).hold = {held.held, held.held ? held.reason : ""};
                              },
                              [&](const BounceSent& sent) {
                                for (const uint32_t index : sent.recipients) recipient(sent.id, index).done = true;
                              },
                              [&](const auto& other) { take(other); }},
             record);
}

void QueueFacts::place(QueueId id, const Place& place) {
  of(id).place = place;
  nonces_[place.segment] = place.nonce;
}

RecipientFact& QueueFacts::recipient(QueueId id, uint32_t index) {
  Told& told = of(id);
  return told.recipients.try_emplace(index, told.others).first->second;
}

void QueueFacts::take(const RecipientDone& done) {
  RecipientFact& fact = recipient(done.id, done.recipient);
  const bool report_due = done.outcome == Outcome::kFailed || done.outcome == Outcome::kExpired;
  fact.failed = report_due && !done.enhanced_code.starts_with('2');
  fact.done = !fact.failed;
  fact.enhanced_code = done.enhanced_code;
  fact.reply = done.reply;
}

void QueueFacts::take(const Deferred& deferred) {
  for (const uint32_t index : deferred.recipients) defer(recipient(deferred.id, index), deferred);
  if (!deferred.recipients.empty()) return;
  Told& told = of(deferred.id);
  defer(told.others, deferred);
  for (auto& [index, fact] : told.recipients) defer(fact, deferred);
}

const QueueFacts::Told* QueueFacts::find(QueueId id) const {
  const auto found = told_.find(id.value);
  return found == told_.end() ? nullptr : &found->second;
}

bool QueueFacts::is_alive(QueueId id, const Place& place) const {
  const Told* told = find(id);
  if (told != nullptr && told->completed) return false;
  if (!whole_ || unread_.contains(place.segment) || (told != nullptr && told->place)) return true;
  return LogPosition{place.segment, place.offset} >= checkpoint_;
}

HoldFact QueueFacts::hold(QueueId id) const {
  const Told* told = find(id);
  return told == nullptr ? HoldFact{} : told->hold;
}

std::vector<RecipientFact> QueueFacts::recipients(QueueId id, size_t count) const {
  const Told* told = find(id);
  if (told == nullptr) return std::vector<RecipientFact>(count);
  std::vector<RecipientFact> facts(count, told->others);
  for (const auto& [index, fact] : told->recipients)
    if (index < count) facts[index] = fact;
  return facts;
}

std::map<QueueId, Place> QueueFacts::waiting() const {
  std::map<QueueId, Place> places;
  for (const auto& [id, told] : told_)
    if (told.place && !told.completed) places.emplace(QueueId{id}, *told.place);
  return places;
}

}  // namespace hikyaku::queue
