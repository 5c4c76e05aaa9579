// The ledger's start: what the index, the journal and the log say together (lib/queue/README.md, "Start").
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "qmgr/ledger.h"
#include "qmgr/rest.h"
#include "queue/index_inspection.h"
#include "queue/record_reader.h"
#include "util/overloaded.h"

namespace hikyaku::qmgr {

namespace {

constexpr size_t kTakenAtOnce = 1000;
// Below the index's folder, while a start looks at the index.
constexpr const char* kStartingName = "starting";

}  // namespace

// An index that is met broken here is set aside at once, as nothing was built on it yet: no start fails for it.
util::Result<void> Ledger::recover() {
  auto recovered = try_to_recover();
  if (recovered || !index_ || !index_->is_broken()) return recovered;
  tell(recovered.error().text);
  forget_recovered();
  return try_to_recover();
}

void Ledger::forget_recovered() {
  writer_.reset();
  index_.reset();
  last_take_ = 0;
  checkpoint_ = {};
  messages_.clear();
  segments_.clear();
  moving_.clear();
  unreadable_.clear();
  told_.clear();
  saved_.clear();
  completed_.clear();
  gone_.clear();
  to_remove_.clear();
}

util::Result<void> Ledger::try_to_recover() {
  const auto replayed =
      queue::replay_journal(disk_, folders_.journal, [this](const queue::JournalRecord& r) { hear(r); });
  if (!replayed) return std::unexpected(replayed.error());
  tell(*replayed);
  if (auto opened = open_index(*replayed); !opened) return opened;
  if (auto counted = index_->segments(); !counted) return std::unexpected(counted.error());  // recovered() needs them
  const auto position = index_->position();
  if (!position) return std::unexpected(position.error());
  if (position->journal > replayed->number)
    tell(
        fmt::format("the journal is older ({}) than the index ({}): files were removed or restored, and "
                    "some mail may be sent again",
                    replayed->number, position->journal));
  if (auto completed = recover_completed(); !completed) return completed;
  for (const auto& [id, told] : told_)
    if (auto recovered = recover_told(queue::QueueId{id}, told); !recovered) return recovered;
  if (auto taken = recover_taken(); !taken) return taken;
  // Before the log's durable end is asked for: the record that names one of these is in it, or will never be.
  auto bodies = log_.bodies();
  if (!bodies) return std::unexpected(bodies.error());
  bodies_found_ = std::move(*bodies);
  return {};
}

// LMDB trusts its file, and a broken page may have ended the predecessor, or its start. So after any end but a good one
// another process reads all of it first.
void Ledger::inspect_index(const queue::JournalReplay& replayed) {
  if (replayed.number == 0) return;
  const auto names = disk_.list(folders_.index);
  if (!names || std::ranges::find(*names, queue::kIndexFile) == names->end()) return;  // opening it says why
  const bool is_tried = std::ranges::find(*names, kStartingName) != names->end();
  if (!is_tried) (void)disk_.open(folders_.index + "/" + kStartingName, queue::Access::kCreateNew);
  if (!queue::Index::is_marked_broken(*names)) {
    if (replayed.closed && !is_tried) return;
    const queue::IndexReport report = queue::inspect_index(folders_.index, {});
    if (report.intact()) return;
    tell(fmt::format("{}/{} is damaged: {}", folders_.index, queue::kIndexFile, report.problems.front()));
    queue::Index::mark_broken(disk_, folders_.index);
  }
  save_from_index();
}

// From the rows that can be read, what nobody else knows and what must not be forgotten: an operator's holds, and to
// whom a message went already. When to try the others again is found out by trying them.
void Ledger::save_from_index() {
  saved_.clear();
  queue::inspect_index(folders_.index, [this](const queue::RestingMessage& resting) {
    const Message message = from_resting(resting);
    if (!message.held && message.count(Step::kDone) == 0) return;
    std::vector<queue::JournalRecord> records;
    describe(message, records);
    std::erase_if(records, [](const queue::JournalRecord& record) {
      return std::holds_alternative<queue::Moved>(record) || std::holds_alternative<queue::Deferred>(record);
    });
    saved_.emplace(message.id.value, std::move(records));
  });
}

// Before what the journal says of the same messages, which is later.
void Ledger::hear_saved() {
  size_t held = 0;
  for (auto& [id, records] : saved_) {
    if (completed_.contains(id)) continue;
    held += std::ranges::any_of(records, [](const queue::JournalRecord& record) {
      const auto* hold = std::get_if<queue::Held>(&record);
      return hold != nullptr && hold->held;
    });
    auto& told = told_[id].records;
    told.insert(told.begin(), std::make_move_iterator(records.begin()), std::make_move_iterator(records.end()));
  }
  if (held > 0) tell(fmt::format("of the index that is set aside {} holds could be read, and stay", held));
  saved_.clear();
}

// What a predecessor committed is made durable before anything is built on it.
util::Result<void> Ledger::open_index(const queue::JournalReplay& replayed) {
  inspect_index(replayed);
  auto opened = queue::Index::open(disk_, folders_.index, folders_.index_options);
  if (!opened) return std::unexpected(opened.error());
  index_ = std::move(*opened);
  if (!index_->damage().empty()) tell(index_->damage());
  if (auto synced = index_->sync(); !synced) return synced;
  writer_.emplace(*index_);
  // Where its messages stand only the log can say: segments that hold them must not be freed, nor passed over.
  if (index_->is_new() && replayed.number > 0) {
    tell(
        "the index of what rests is new, although there is a journal: all of the log is read, and some mail may be "
        "sent again");
    checkpoint_ = {};
    journal_has_gaps_ = true;
    hear_saved();
  }
  return {};
}

// What was lost is at most delivered again: no checkpoint was heard that rests on it.
void Ledger::tell(const queue::JournalReplay& replayed) {
  for (const queue::Damage& one : replayed.damage)
    tell(fmt::format("{}: {} bytes at offset {} are damaged", one.file, one.length, one.offset));
  for (const queue::Damage& one : replayed.torn)
    tell(fmt::format("{}: {} bytes at offset {} were not durable and are torn or damaged", one.file, one.length,
                     one.offset));
  if (!replayed.damage.empty()) journal_.set_aside(replayed.number);
  journal_has_gaps_ = !replayed.damage.empty() || replayed.number == 0;
}

// Once, however often recovery begins.
void Ledger::tell(std::string line) {
  if (std::ranges::find(damage_, line) == damage_.end()) damage_.push_back(std::move(line));
}

void Ledger::hear(const queue::JournalRecord& record) {
  std::visit(util::Overloaded{[&](const queue::Checkpoint& checkpoint) { checkpoint_ = checkpoint.position; },
                              [&](const queue::Completed& completed) {
                                told_.erase(completed.id.value);
                                completed_.insert(completed.id.value);
                              },
                              [&](const queue::Moved& moved) { told_[moved.id.value].place = moved.place; },
                              [&](const auto& other) { told_[other.id.value].records.push_back(other); }},
             record);
}

// Their removal from the index may not have been committed.
util::Result<void> Ledger::recover_completed() {
  const auto resting = index_->messages();
  if (!resting) return std::unexpected(resting.error());
  if (*resting == 0) return {};
  for (const uint64_t value : completed_) {
    const queue::QueueId id{value};
    const auto found = index_->find(id);
    if (!found) return std::unexpected(found.error());
    if (!*found) continue;
    gone_.insert(value);
    to_remove_.push_back(id);
  }
  return {};
}

// A message that the journal names. Usually it tells how the message came to rest, and says what the index says.
util::Result<void> Ledger::recover_told(queue::QueueId id, const Told& told) {
  auto resting = index_->find(id);
  if (!resting) return std::unexpected(resting.error());
  if (!*resting) return told.place ? bring_back(id, *told.place) : util::Result<void>{};
  Message message = from_resting(**resting);
  if (told.place && told.place->is_later_than(message.place)) {
    message.place = *told.place;
    moving_[id.value] = {message.place};
  }
  for (const queue::JournalRecord& record : told.records) apply(message, record);
  const queue::RestingMessage now = as_kept(to_resting(message));
  (*resting)->place = now.place;  // to have moved is no reason to be in memory
  if (now == **resting) return {};
  take(now);
  return {};
}

// Those that were in a predecessor's memory, and of which the journal has no news.
util::Result<void> Ledger::recover_taken() {
  queue::QueueId from{0};
  for (std::vector<queue::QueueId> ids;; from = queue::QueueId{ids.back().value + 1}) {
    ids.clear();
    if (auto listed = index_->list_taken(from, kTakenAtOnce, ids); !listed) return listed;
    if (ids.empty()) return {};
    for (const queue::QueueId id : ids) {
      if (find(id) != nullptr || gone_.contains(id.value)) continue;
      const auto resting = index_->find(id);
      if (!resting) return std::unexpected(resting.error());
      if (!*resting) continue;
      take(**resting);
    }
  }
}

void Ledger::apply(Message& message, const queue::JournalRecord& record) {
  const auto recipient = [&](uint32_t index) {
    return index < message.recipients.size() ? &message.recipients[index] : nullptr;
  };
  std::visit(util::Overloaded{[&](const queue::RecipientDone& done) {
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
                              [&](const queue::Held& held) {
                                message.held = held.held;
                                message.hold_reason = held.reason;
                              },
                              [&](const queue::BounceSent& sent) {
                                for (const uint32_t index : sent.recipients)
                                  if (RecipientState* state = recipient(index)) state->step = Step::kDone;
                              },
                              [](const auto&) {}},
             record);
}

util::Result<void> Ledger::recovered(queue::LogPosition read_up_to) {
  if (unanswered_) return std::unexpected(*unanswered_);
  recovering_ = false;
  told_.clear();
  completed_.clear();
  followed_ = read_up_to;
  auto existing = log_.segments();
  if (!existing) return std::unexpected(existing.error());
  for (const uint32_t number : *existing) segments_[number];  // also those in which nothing is alive: they can go
  const auto resting = index_->segments();
  if (!resting) return std::unexpected(resting.error());
  for (const queue::Index::Segment& segment : *resting) {
    segments_[segment.number].alive += segment.row.messages;
    segments_[segment.number].live_bytes += segment.row.bytes + segment.row.messages * queue::kRecordHeaderSize;
  }
  for (const queue::QueueId id : to_remove_) {
    const auto gone = index_->find(id);
    if (!gone) return std::unexpected(gone.error());
    if (*gone) count((*gone)->place, -1);
  }
  if (auto moves = recover_moves(); !moves) return moves;
  if (auto kept = keep_set_aside(); !kept) return kept;
  if (auto rotated = rotate(); !rotated) return rotated;
  if (auto freed = free_left_over_bodies(); !freed) return freed;
  (void)disk_.unlink(folders_.index + "/" + kStartingName);  // or it is not there
  return {};
}

// By any message that is known to stand there, or to have stood.
std::optional<uint64_t> Ledger::nonce_of(uint32_t segment) {
  const auto stands_there = [&](const auto& message) { return message.place.segment == segment; };
  const auto in_memory = std::ranges::find_if(messages_, [&](const auto& each) { return stands_there(each.second); });
  if (in_memory != messages_.end()) return in_memory->second.place.nonce;
  const auto lost = std::ranges::find_if(unreadable_, stands_there);
  if (lost != unreadable_.end()) return lost->place.nonce;
  std::vector<queue::RestingMessage> rows;
  for (queue::QueueId from{0};; from = queue::QueueId{rows.back().id.value + 1}) {
    rows.clear();
    if (!index_ || !index_->list(from, kTakenAtOnce, rows) || rows.empty()) return std::nullopt;
    const auto resting = std::ranges::find_if(rows, stands_there);
    if (resting != rows.end()) return resting->place.nonce;
  }
}

// Mail that was set aside with its segment: what is known of it is delivered, but its records are not copied; and any
// body may belong to what is not known.
util::Result<void> Ledger::keep_set_aside() {
  const auto aside = log_.set_aside();
  if (!aside) return std::unexpected(aside.error());
  for (const uint32_t number : *aside)
    if (const auto known = segments_.find(number); known != segments_.end()) known->second.unreadable = true;
  const auto is_unreadable = [&](const auto& segment) { return log_.is_unreadable(segment.first); };
  if (!aside->empty() || std::ranges::any_of(segments_, is_unreadable)) bodies_found_.clear();
  return {};
}

// Of messages that are gone, or whose record never became durable.
util::Result<void> Ledger::free_left_over_bodies() {
  for (const queue::QueueId id : std::exchange(bodies_found_, {})) {
    const auto resting = index_->find(id);
    if (!resting) return std::unexpected(resting.error());
    const bool rests = *resting && !gone_.contains(id.value);
    if (!rests && find(id) == nullptr && std::ranges::find(unreadable_, id, &queue::Moved::id) == unreadable_.end())
      freeable_bodies_.push_back(id);
  }
  return {};
}

}  // namespace hikyaku::qmgr
