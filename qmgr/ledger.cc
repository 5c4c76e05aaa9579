// All that is in the queue, and the journal that remembers it.
#include "qmgr/ledger.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "queue/journal_reader.h"
#include "queue/record_reader.h"

namespace hikyaku::qmgr {

namespace {

// A journal file begins with all that is alive, so a new one costs as much: not before it has grown by several times
// that.
constexpr uint64_t kLeastGrowth = 64 << 20;
constexpr uint64_t kGrowthPerMessage = 512;

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};

}  // namespace

Ledger::Ledger(queue::Disk& disk, std::string journal_folder, queue::LogReader& log)
    : log_(log), disk_(disk), folder_(std::move(journal_folder)), journal_(disk, folder_) {}

// ---- start -------------------------------------------------------------------------------------------------------

util::Result<void> Ledger::recover() {
  if (auto replayed = queue::replay_journal(disk_, folder_, [this](const queue::JournalRecord& r) { hear(r); });
      !replayed)
    return replayed;
  for (auto& [id, told] : told_) {
    if (!told.has_place || told.completed) continue;
    if (auto back = bring_back(queue::QueueId{id}, told.place); !back) return back;
  }
  open_.clear();
  // Before the log's durable end is asked for: the record that names one of these is in it, or will never be.
  auto bodies = log_.bodies();
  if (!bodies) return std::unexpected(bodies.error());
  bodies_found_ = std::move(*bodies);
  return {};
}

void Ledger::hear(const queue::JournalRecord& record) {
  std::visit(Overloaded{[&](const queue::Checkpoint& checkpoint) { checkpoint_ = checkpoint.position; },
                        [&](const queue::Completed& completed) {
                          Told& told = told_[completed.id.value];
                          told = {};
                          told.completed = true;
                        },
                        [&](const queue::Moved& moved) {
                          Told& told = told_[moved.id.value];
                          told.has_place = true;
                          told.place = moved.place;
                        },
                        [&](const auto& other) { told_[other.id.value].records.push_back(other); }},
             record);
}

// A message before the checkpoint: its envelope is read again from its place.
util::Result<void> Ledger::bring_back(queue::QueueId id, const queue::Place& place) {
  os::UniqueFd& fd = open_[place.segment];
  if (!fd) {
    auto opened = log_.open_segment(place.segment);
    if (!opened) {
      auto existing = log_.segments();
      const bool is_there = !existing || std::ranges::find(*existing, place.segment) != existing->end();
      if (is_there) return std::unexpected(opened.error());
      damage_.push_back(fmt::format("message {} is lost: segment {} is not there", queue::to_text(id), place.segment));
      return {};
    }
    fd = std::move(*opened);
  }
  auto head = queue::read_head(fd.get(), id, place);
  if (head) {
    arrive(id, place, std::move(head->envelope));
    return {};
  }
  if (!head.error().permanent) return std::unexpected(head.error());
  // It cannot be delivered, but its segment is kept for whoever can still save something: also by the next qmgr.
  ++segments_[place.segment].alive;
  unreadable_.push_back({id, place});
  damage_.push_back(fmt::format("message {} in segment {} at offset {} cannot be read: {}", queue::to_text(id),
                                place.segment, place.offset, head.error().text));
  return {};
}

void Ledger::apply(Message& message, const queue::JournalRecord& record) {
  const auto recipient = [&](uint32_t index) {
    return index < message.recipients.size() ? &message.recipients[index] : nullptr;
  };
  std::visit(Overloaded{[&](const queue::RecipientDone& done) {
                          RecipientState* state = recipient(done.recipient);
                          if (state == nullptr) return;
                          const bool failed =
                              done.outcome == queue::Outcome::kFailed || done.outcome == queue::Outcome::kExpired;
                          state->step = failed ? Step::kReportDue : Step::kDone;
                          state->expired = done.outcome == queue::Outcome::kExpired;
                          state->status = done.enhanced_code;
                          state->reply = done.reply;
                          state->remote_mta = done.remote_mta;
                        },
                        [&](const queue::Deferred& deferred) {
                          std::vector<uint32_t> indices = deferred.recipients;
                          if (indices.empty()) {  // all that are not done
                            indices.resize(message.recipients.size());
                            std::iota(indices.begin(), indices.end(), 0u);
                          }
                          for (const uint32_t index : indices) {
                            RecipientState* state = recipient(index);
                            if (state == nullptr || state->step == Step::kDone) continue;
                            state->step = Step::kWaiting;
                            state->attempts = deferred.attempts;
                            state->next_attempt = deferred.next_attempt;
                            state->status = deferred.enhanced_code;
                            state->reply = deferred.reply;
                          }
                        },
                        [&](const queue::Held& held) { message.held = held.held; },
                        [&](const queue::BounceSent& sent) {
                          for (const uint32_t index : sent.recipients)
                            if (RecipientState* state = recipient(index)) state->step = Step::kDone;
                        },
                        [](const auto&) {}},
             record);
}

util::Result<void> Ledger::recovered(queue::LogPosition read_up_to) {
  told_.clear();
  followed_ = read_up_to;
  auto existing = log_.segments();
  if (!existing) return std::unexpected(existing.error());
  for (const uint32_t number : *existing) segments_[number];  // also those in which nothing is alive: they can go
  if (auto rotated = rotate(); !rotated) return rotated;
  free_left_over_bodies();
  return {};
}

// Of messages that are gone, or whose record never became durable.
void Ledger::free_left_over_bodies() {
  for (const queue::QueueId id : std::exchange(bodies_found_, {})) {
    const bool known =
        messages_.contains(id.value) || std::ranges::find(unreadable_, id, &queue::Moved::id) != unreadable_.end();
    if (!known) freeable_bodies_.push_back(id);
  }
}

// ---- messages ----------------------------------------------------------------------------------------------------

Message& Ledger::add(queue::QueueId id, const queue::Place& place, queue::Envelope envelope) {
  Message& message = messages_[id.value];
  message.id = id;
  message.place = place;
  message.arrival = envelope.arrival;
  message.sender = std::move(envelope.sender);
  message.envelope_id = std::move(envelope.envelope_id);
  message.eight_bit = (place.flags & queue::kEightBit) != 0;
  message.recipients.reserve(envelope.recipients.size());
  for (queue::Recipient& recipient : envelope.recipients)
    message.recipients.emplace_back().recipient = std::move(recipient);
  Segment& segment = segments_[place.segment];
  ++segment.alive;
  if (!segment.told) segment.arrived.push_back(id);
  return message;
}

Message* Ledger::arrive(queue::QueueId id, const queue::Place& place, queue::Envelope envelope) {
  if (messages_.contains(id.value)) return nullptr;
  const auto told = told_.find(id.value);
  if (told != told_.end() && told->second.completed) return nullptr;
  Message& message = add(id, place, std::move(envelope));
  if (told != told_.end())
    for (const queue::JournalRecord& record : told->second.records) apply(message, record);
  return &message;
}

Message* Ledger::find(queue::QueueId id) {
  const auto found = messages_.find(id.value);
  return found == messages_.end() ? nullptr : &found->second;
}

void Ledger::append(const queue::JournalRecord& record) {
  journal_.append(record);
  dirty_ = true;
}

void Ledger::delivered(Message& message, uint32_t index) {
  message.recipients[index].step = Step::kDone;
  // The last one's delivery is told by complete(), which follows.
  if (!message.is_done()) append(queue::RecipientDone{message.id, index, queue::Outcome::kDelivered, "", "", ""});
}

void Ledger::deferred(Message& message, uint32_t index, uint32_t attempts, int64_t next_attempt) {
  RecipientState& state = message.recipients[index];
  state.step = Step::kWaiting;
  state.attempts = attempts;
  state.next_attempt = next_attempt;
  append(queue::Deferred{message.id, {index}, attempts, next_attempt, state.status, state.reply});
}

void Ledger::failed(Message& message, uint32_t index, bool expired) {
  RecipientState& state = message.recipients[index];
  state.step = Step::kReportDue;
  state.expired = expired;
  append(queue::RecipientDone{message.id, index, expired ? queue::Outcome::kExpired : queue::Outcome::kFailed,
                              state.status, state.reply, state.remote_mta});
}

void Ledger::reported(Message& message, uint32_t index) {
  message.recipients[index].step = Step::kDone;
  if (!message.is_done()) append(queue::BounceSent{message.id, {index}});
}

void Ledger::hold(Message& message, bool held) {
  if (message.held == held) return;
  message.held = held;
  append(queue::Held{message.id, held, ""});
}

void Ledger::complete(Message& message) {
  append(queue::Completed{message.id});
  if (message.place.has_body()) ended_bodies_.push_back(message.id);
  --segments_[message.place.segment].alive;
  messages_.erase(message.id.value);
}

// ---- the journal's file --------------------------------------------------------------------------------------------

util::Result<void> Ledger::sync() {
  const bool grown = journal_.growth() > kLeastGrowth + kGrowthPerMessage * messages_.size();
  const auto synced = grown || !journal_.usable() ? rotate() : journal_.sync();
  if (!synced) return synced;
  durable_checkpoint_ = checkpoint_;
  dirty_ = false;
  freeable_bodies_.insert(freeable_bodies_.end(), ended_bodies_.begin(), ended_bodies_.end());
  ended_bodies_.clear();
  return {};
}

void Ledger::describe(const Message& message, std::vector<queue::JournalRecord>& out) const {
  out.push_back(queue::Moved{message.id, message.place});
  if (message.held) out.push_back(queue::Held{message.id, true, ""});
  for (uint32_t index = 0; index < message.recipients.size(); ++index) {
    const RecipientState& state = message.recipients[index];
    const auto done = [&](queue::Outcome outcome) {
      out.push_back(queue::RecipientDone{message.id, index, outcome, state.status, state.reply, state.remote_mta});
    };
    if (state.step == Step::kDone) done(queue::Outcome::kDelivered);
    if (state.step == Step::kReportDue || state.step == Step::kReporting)
      done(state.expired ? queue::Outcome::kExpired : queue::Outcome::kFailed);
    if (state.attempts > 0 &&
        (state.step == Step::kWaiting || state.step == Step::kReady || state.step == Step::kInHand))
      out.push_back(
          queue::Deferred{message.id, {index}, state.attempts, state.next_attempt, state.status, state.reply});
  }
}

util::Result<void> Ledger::rotate() {
  std::vector<queue::JournalRecord> alive{queue::Checkpoint{followed_}};
  for (const auto& [id, message] : messages_) describe(message, alive);
  alive.insert(alive.end(), unreadable_.begin(), unreadable_.end());
  if (auto rotated = journal_.rotate(alive); !rotated) return rotated;
  for (auto& [number, segment] : segments_) {
    segment.told = number < followed_.segment;
    if (segment.told) std::vector<queue::QueueId>().swap(segment.arrived);
  }
  checkpoint_ = durable_checkpoint_ = followed_;
  dirty_ = false;
  return {};
}

void Ledger::followed(queue::LogPosition position) {
  const bool left_a_segment = position.segment != followed_.segment;
  followed_ = position;
  if (!left_a_segment) return;
  for (auto& [number, segment] : segments_) {
    if (number >= position.segment) break;
    if (segment.told) continue;
    for (const queue::QueueId id : segment.arrived)
      if (const Message* message = find(id)) append(queue::Moved{id, message->place});
    segment.told = true;
    std::vector<queue::QueueId>().swap(segment.arrived);
  }
  checkpoint_ = {position.segment, 0};
  append(queue::Checkpoint{checkpoint_});
}

std::vector<uint32_t> Ledger::freeable_segments() {
  std::vector<uint32_t> freeable;
  for (auto segment = segments_.begin(); segment != segments_.end() && segment->first < durable_checkpoint_.segment;) {
    if (segment->second.alive == 0) {
      freeable.push_back(segment->first);
      segment = segments_.erase(segment);
    } else {
      ++segment;
    }
  }
  return freeable;
}

}  // namespace hikyaku::qmgr
