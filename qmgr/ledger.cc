// All that is in the queue, the journal that remembers it, and the index of what rests.
#include "qmgr/ledger.h"

#include <fmt/format.h>

#include <algorithm>

#include "qmgr/rest.h"

namespace hikyaku::qmgr {

namespace {

// A journal file begins with all that is in memory, so a new one costs as much: not before it has grown by several
// times that. And a start replays it, so it must not grow for ever.
constexpr uint64_t kLeastGrowth = 16 << 20;
constexpr uint64_t kGrowthPerMessage = 512;

}  // namespace

Ledger::Ledger(queue::Disk& disk, LedgerFolders folders, queue::LogReader& log)
    : log_(log), disk_(disk), folders_(std::move(folders)), journal_(disk, folders_.journal) {
  log_.ask_for_nonces([this](uint32_t segment) { return nonce_of(segment); });
}

// ---- messages ----------------------------------------------------------------------------------------------------

Message& Ledger::add(queue::QueueId id, const queue::Place& place, queue::Envelope envelope) {
  Message& message = messages_[id.value];
  message.id = id;
  message.place = place;
  message.arrival = envelope.arrival;
  message.eight_bit = (place.flags & queue::kEightBit) != 0;
  message.recipients.resize(envelope.recipients.size());
  take_envelope(message, std::move(envelope));
  count(place, 1);
  Segment& segment = segments_[place.segment];
  if (!segment.told) segment.arrived.push_back(id);
  return message;
}

Message* Ledger::arrive(queue::QueueId id, const queue::Place& place, queue::Envelope envelope) {
  if (recovering_ && envelope.report_of)
    if (Message* told_of = find(envelope.report_of->id))
      apply(*told_of, queue::BounceSent{told_of->id, envelope.report_of->recipients});
  if ((place.flags & queue::kMoved) == 0) {
    arrived_bytes_ += queue::record_size(place);
    return admit(id, place, std::move(envelope));
  }
  segments_[place.segment];  // so that it is freed, whatever becomes of the copy
  if (recovering_ && is_wanted_copy(id)) return admit(id, place, std::move(envelope));
  if (!recovering_) move(id, place);
  return nullptr;
}

Message* Ledger::admit(queue::QueueId id, const queue::Place& place, queue::Envelope envelope) {
  if (messages_.contains(id.value)) return nullptr;
  if (!recovering_) return &add(id, place, std::move(envelope));
  if (completed_.contains(id.value)) return nullptr;
  const auto resting = index_->find(id);
  if (!resting) unanswered_ = resting.error();
  if (!resting || *resting) return nullptr;
  Message& message = add(id, place, std::move(envelope));
  if (const auto told = told_.find(id.value); told != told_.end())
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

void Ledger::change(Message& message, const queue::JournalRecord& record) {
  stay(message);
  append(record);
}

void Ledger::delivered(Message& message, uint32_t index) {
  message.recipients[index].step = Step::kDone;
  // The last one's delivery is told by complete(), which follows.
  if (!message.is_done())
    change(message, queue::RecipientDone{message.id, index, queue::Outcome::kDelivered, "", "", ""});
}

void Ledger::deferred(Message& message, uint32_t index, uint32_t attempts, int64_t next_attempt) {
  RecipientState& state = message.recipients[index];
  state.step = Step::kWaiting;
  state.attempts = attempts;
  state.next_attempt = next_attempt;
  change(message, queue::Deferred{message.id, {index}, attempts, next_attempt, state.status, state.reply});
}

void Ledger::failed(Message& message, uint32_t index, bool expired) {
  RecipientState& state = message.recipients[index];
  state.step = Step::kReportDue;
  state.expired = expired;
  change(message, queue::RecipientDone{message.id, index, expired ? queue::Outcome::kExpired : queue::Outcome::kFailed,
                                       state.status, state.reply, state.remote_mta});
}

bool Ledger::reported(Message& message, const std::vector<uint32_t>& indices) {
  queue::BounceSent sent{message.id, {}};
  for (const uint32_t index : indices) {
    if (index >= message.recipients.size()) continue;
    Step& step = message.recipients[index].step;
    if (step != Step::kReportDue && step != Step::kReporting) continue;
    step = Step::kDone;
    sent.recipients.push_back(index);
  }
  if (sent.recipients.empty()) return false;
  if (!message.is_done()) change(message, sent);
  return true;
}

void Ledger::hold(Message& message, bool held, std::string reason) {
  if (message.held == held) return;
  message.held = held;
  message.hold_reason = std::move(reason);
  change(message, queue::Held{message.id, held, message.hold_reason});
}

void Ledger::complete(Message& message) {
  const queue::QueueId id = message.id;
  end(id, message.place, message.indexed);
  messages_.erase(id.value);
}

void Ledger::end(queue::QueueId id, const queue::Place& place, bool indexed) {
  append(queue::Completed{id});
  if (place.has_body()) ended_bodies_.push_back(id);
  count(place, -1);
  moving_.erase(id.value);
  if (!indexed) return;
  gone_.insert(id.value);
  to_remove_.push_back(id);
}

bool Ledger::forget_unreadable(queue::QueueId id) {
  if (find(id) != nullptr || gone_.contains(id.value)) return false;
  if (const auto lost = std::ranges::find(unreadable_, id, &queue::Moved::id); lost != unreadable_.end()) {
    end(id, lost->place, false);
    unreadable_.erase(lost);
    return true;
  }
  const auto resting = index_->find(id);
  if (!resting || !*resting) return false;
  end(id, place_of(**resting), true);
  return true;
}

// ---- what rests --------------------------------------------------------------------------------------------------

void Ledger::rest(Message& message) {
  if (message.leaving) return;
  tell_place(message);
  message.leaving = true;
  message.put = 0;
  to_put_.push_back(message.id);
}

void Ledger::tell_place(Message& message) {
  if (message.placed_in == journal_.number()) return;
  message.placed_in = journal_.number();
  append(queue::Moved{message.id, message.place});
}

// The journal is synced, so the index is not ahead of it.
void Ledger::hand_over() {
  util::ensure(!dirty_, "the index is never ahead of the journal");
  const bool has_news = !to_put_.empty() || !to_remove_.empty() || !to_move_.empty();
  if (!has_news && !awaits_durable_moves() && !index_up_to_.trouble) return;
  for (const queue::QueueId id : std::exchange(to_put_, {})) {
    Message* message = find(id);
    if (message == nullptr || !message->leaving || message->put != 0) continue;
    message->put = writer_->add(queue::PutMessage{to_resting(*message)});
    message->indexed = true;
    leaving_.emplace_back(message->put, id);
  }
  for (const queue::QueueId id : std::exchange(to_remove_, {}))
    removing_.emplace_back(writer_->add(queue::RemoveMessage{id}), id);
  hand_over_moves();
  writer_->add(queue::IndexPosition{durable_checkpoint_, journal_.number(), journal_.end()});
  if (awaits_durable_moves())
    writer_->sync_now();
  else
    writer_->commit_now();
}

util::Result<void> Ledger::index_progress() {
  const auto before = std::exchange(index_up_to_, writer_->progress());
  forget_rested();
  while (!removing_.empty() && removing_.front().first <= index_up_to_.durable) {
    gone_.erase(removing_.front().second.value);
    removing_.pop_front();
  }
  for (; !moved_.empty() && moved_.front().first <= index_up_to_.durable; moved_.pop_front()) {
    const auto moving = moving_.find(moved_.front().second.value);
    if (moving != moving_.end() && moving->second.change == moved_.front().first) moving_.erase(moving);
  }
  const auto& trouble = index_up_to_.trouble;
  const bool known = before.trouble && trouble && before.trouble->text == trouble->text;
  if (trouble && (trouble->permanent || !known)) return std::unexpected(*trouble);
  return {};
}

void Ledger::forget_rested() {
  while (!rotation_wanted_ && !leaving_.empty() && leaving_.front().first <= index_up_to_.committed) {
    const auto [change, id] = leaving_.front();
    leaving_.pop_front();
    const Message* message = find(id);
    if (message == nullptr || !message->leaving || message->put != change) continue;
    messages_.erase(id.value);
    last_forgotten_ = change;
  }
}

Message* Ledger::load(queue::QueueId id) {
  if (Message* message = find(id)) return message;
  if (gone_.contains(id.value)) return nullptr;
  const auto resting = index_->find(id);
  if (!resting && !resting.error().permanent) damage_.push_back(resting.error().text);
  if (!resting || !*resting) return nullptr;
  Message* const taken = take(**resting);
  writer_->commit_now();
  return taken;
}

// nullptr: it cannot be read. It is not given again as due; the next start, and whoever loads it, tries once more.
Message* Ledger::take(const queue::RestingMessage& resting) {
  last_take_ = writer_->add(queue::TakeMessage{resting.id});
  Message message = from_resting(resting);
  message.place = place_of(resting);
  if (const auto read = read_envelope(message); !read) {
    tell_unreadable(resting.id, read.error());
    return nullptr;
  }
  Message& added = messages_[resting.id.value];
  added = std::move(message);
  return &added;
}

util::Result<Ledger::Due> Ledger::load_due(int64_t now, size_t limit,
                                           const std::function<queue::DueRoom(const std::string& domain)>& room) {
  Due due;
  // What was given is given again until the index has seen it leave. When the index is in trouble it may not see that
  // for long, and then what is in memory is looked past.
  if (index_up_to_.trouble)
    limit += messages_.size();
  else if (is_loading())
    return due;
  std::vector<queue::RestingMessage> found;
  if (auto read = index_->next_due(now, limit, room, due_, found); !read) return std::unexpected(read.error());
  due.more = !due_.at_start;
  for (const queue::RestingMessage& resting : found) {
    if (gone_.contains(resting.id.value)) continue;
    if (Message* message = find(resting.id)) {
      // An older state of it is due. What is on its way to the index takes that one's place.
      if (message->leaving && (message->put == 0 || message->put > index_up_to_.committed)) continue;
      last_take_ = writer_->add(queue::TakeMessage{resting.id});
      if (!std::exchange(message->leaving, false)) continue;
    } else if (take(resting) == nullptr) {
      continue;
    }
    due.ids.push_back(resting.id);
  }
  if (!found.empty()) writer_->commit_now();
  return due;
}

// ---- the journal's file --------------------------------------------------------------------------------------------

// A new file knows nothing of what left memory: first the index must have that for good.
util::Result<void> Ledger::sync() {
  const bool grown = journal_.growth() > kLeastGrowth + kGrowthPerMessage * messages_.size();
  rotation_wanted_ = rotation_wanted_ || grown || !journal_.usable();
  if (rotation_wanted_ && index_up_to_.durable >= last_forgotten_) {
    if (auto rotated = rotate(); !rotated) return rotated;
  } else {
    if (rotation_wanted_) writer_->sync_now();
    if (auto synced = journal_.sync(); !synced) return synced;
  }
  durable_checkpoint_ = checkpoint_;
  dirty_ = false;
  freeable_bodies_.insert(freeable_bodies_.end(), ended_bodies_.begin(), ended_bodies_.end());
  ended_bodies_.clear();
  return {};
}

void Ledger::describe(const Message& message, std::vector<queue::JournalRecord>& out) const {
  out.push_back(queue::Moved{message.id, message.place});
  // The index may know it otherwise.
  if (message.held || message.indexed) out.push_back(queue::Held{message.id, message.held, message.hold_reason});
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
  for (const auto& [id, moving] : moving_)
    if (!messages_.contains(id)) alive.push_back(queue::Moved{queue::QueueId{id}, moving.place});
  alive.insert(alive.end(), unreadable_.begin(), unreadable_.end());
  for (const uint64_t id : gone_) alive.push_back(queue::Completed{queue::QueueId{id}});
  if (auto rotated = journal_.rotate(alive); !rotated) return rotated;
  for (auto& [id, message] : messages_) message.placed_in = journal_.number();
  for (auto& [number, segment] : segments_) {
    segment.told = number < followed_.segment;
    if (segment.told) std::vector<queue::QueueId>().swap(segment.arrived);
  }
  checkpoint_ = durable_checkpoint_ = followed_;
  dirty_ = false;
  rotation_wanted_ = false;
  forget_rested();
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
      if (Message* message = find(id)) tell_place(*message);
    segment.told = true;
    std::vector<queue::QueueId>().swap(segment.arrived);
  }
  checkpoint_ = {position.segment, 0};
  append(queue::Checkpoint{checkpoint_});
}

std::vector<uint32_t> Ledger::freeable_segments() {
  std::vector<uint32_t> freeable;
  if (dirty_) return freeable;  // the journal may not know yet what moved, or ended
  for (auto segment = segments_.begin(); segment != segments_.end() && segment->first < durable_checkpoint_.segment;) {
    if (is_left(segment->second) && !log_.is_unreadable(segment->first)) {
      freeable.push_back(segment->first);
      open_.erase(segment->first);
      segment = segments_.erase(segment);
    } else {
      ++segment;
    }
  }
  return freeable;
}

}  // namespace hikyaku::qmgr
