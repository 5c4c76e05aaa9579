// What a journal says of each message.
#include "queue/journal_facts.h"

namespace hikyaku::queue {
namespace {

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};

void defer(RecipientFact& fact, const Deferred& deferred) {
  if (fact.done) return;
  fact.failed = false;
  fact.attempts = deferred.attempts;
  fact.enhanced_code = deferred.enhanced_code;
  fact.reply = deferred.reply;
}

}  // namespace

void JournalFacts::hear(const JournalRecord& record) {
  std::visit(Overloaded{[&](const Checkpoint& checkpoint) { checkpoint_ = checkpoint.position; },
                        [&](const Completed& completed) {
                          Told& told = of(completed.id);
                          told = {};
                          told.completed = true;
                        },
                        [&](const Moved& moved) {
                          of(moved.id).place = moved.place;
                          nonces_[moved.place.segment] = moved.place.nonce;
                        },
                        [&](const Held& held) { of(held.id).held = held.held; },
                        [&](const BounceSent& sent) {
                          for (const uint32_t index : sent.recipients) of(sent.id).recipients[index].done = true;
                        },
                        [&](const auto& other) { take(other); }},
             record);
}

void JournalFacts::take(const RecipientDone& done) {
  RecipientFact& fact = of(done.id).recipients[done.recipient];
  fact.failed = done.outcome == Outcome::kFailed || done.outcome == Outcome::kExpired;
  fact.done = !fact.failed;
  fact.enhanced_code = done.enhanced_code;
  fact.reply = done.reply;
}

void JournalFacts::take(const Deferred& deferred) {
  Told& told = of(deferred.id);
  for (const uint32_t index : deferred.recipients) defer(told.recipients[index], deferred);
  if (!deferred.recipients.empty()) return;
  told.all = deferred;
  for (auto& [index, fact] : told.recipients) defer(fact, deferred);
}

const JournalFacts::Told* JournalFacts::find(QueueId id) const {
  const auto found = told_.find(id.value);
  return found == told_.end() ? nullptr : &found->second;
}

bool JournalFacts::is_alive(QueueId id, const Place& place) const {
  const Told* told = find(id);
  if (told != nullptr && told->completed) return false;
  if (!whole_) return true;
  const LogPosition position{place.segment, place.offset};
  if (told != nullptr && told->place) return position == LogPosition{told->place->segment, told->place->offset};
  return position >= checkpoint_;
}

bool JournalFacts::is_held(QueueId id) const {
  const Told* told = find(id);
  return told != nullptr && told->held;
}

std::vector<RecipientFact> JournalFacts::recipients(QueueId id, size_t count) const {
  std::vector<RecipientFact> facts(count);
  const Told* told = find(id);
  if (told == nullptr) return facts;
  if (told->all)
    for (RecipientFact& fact : facts) defer(fact, *told->all);
  for (const auto& [index, fact] : told->recipients)
    if (index < count) facts[index] = fact;
  return facts;
}

std::map<QueueId, Place> JournalFacts::waiting() const {
  std::map<QueueId, Place> places;
  for (const auto& [id, told] : told_)
    if (told.place && !told.completed) places.emplace(QueueId{id}, *told.place);
  return places;
}

}  // namespace hikyaku::queue
