// Empties segments of the log.
#include "qmgr/reclaimer.h"

#include <fmt/format.h>

#include <algorithm>

namespace hikyaku::qmgr {

namespace {

constexpr size_t kRecordsPerSlice = 128;                     // so that mail does not wait for a look at a whole segment
constexpr size_t kMostRecords = 256;                         // in a batch
constexpr uint64_t kMostBytes = 1 << 20;                     // in a batch, unless one record is larger
constexpr event::Duration kPause = std::chrono::seconds(1);  // cleanup was away, or has no room
// A segment of which the rest is in somebody's hand, or cannot be seen.
constexpr event::Duration kShortRest = std::chrono::seconds(5);
constexpr event::Duration kLongRest = std::chrono::minutes(10);

}  // namespace

void Reclaimer::look(event::Monotonic turn) {
  const auto verdict = decide(turn);
  if (!verdict) {
    credit_ = 0;
    return;
  }
  credit_ = std::min(credit_ + verdict->bytes, kFullPace);
  if (round_) return;
  round_.emplace(Round{.segment = verdict->segment,
                       .reader = queue::LogReader(disk_, folder_),
                       .position = {verdict->segment, 0},
                       .found = {}});
}

std::optional<Reclaim> Reclaimer::decide(event::Monotonic turn) {
  const uint64_t arrived = ledger_.arrived_bytes();
  const uint64_t appended = arrived - std::exchange(arrived_bytes_, arrived);
  if (turn < paused_until_) return std::nullopt;
  std::erase_if(resting_until_, [&](const auto& each) { return each.second <= turn; });
  std::vector<SegmentFacts> segments;
  for (const Ledger::SegmentUse& use : ledger_.use()) {
    const bool is_movable = use.is_movable && !resting_until_.contains(use.number) && !damaged_.contains(use.number);
    segments.push_back({use.number, use.size, use.live_bytes, use.alive, is_movable});
  }
  const auto free = disk_.free_space(folder_);
  return decide_reclaim({segments, appended, free ? std::optional(*free) : std::nullopt});
}

bool Reclaimer::work(queue::LogPosition followed, event::Monotonic turn) {
  if (!round_ || credit_ == 0 || awaits_answer_ || turn < paused_until_) return false;
  if (!round_->read_to_end && round_->found_bytes < kMostBytes && round_->found.size() < kMostRecords) {
    scan(followed, turn);
    return true;
  }
  if (round_->found.empty())
    end_round(turn);
  else
    send_batch(turn);
  return false;
}

// Which of its records are alive is known to memory and index by id only.
void Reclaimer::scan(queue::LogPosition followed, event::Monotonic turn) {
  std::vector<queue::LogEntry> entries;
  std::vector<queue::Damage> damage;
  const auto next = round_->reader.read_entries(round_->position, followed, kRecordsPerSlice, entries, damage);
  for (const queue::Damage& one : damage) {
    if (one.file != folder_ + "/" + queue::numbered_name("", round_->segment)) continue;  // whoever reads on tells it
    logger_.error(fmt::format("queue: {}: {} bytes at offset {} are damaged; the segment is kept", one.file, one.length,
                              one.offset));
    damaged_.insert(round_->segment);
  }
  if (!next) {
    if (std::exchange(told_, next.error().text) != next.error().text) logger_.error("queue: " + told_);
    paused_until_ = turn + kPause;
    return;
  }
  told_.clear();
  for (const queue::LogEntry& entry : entries) {
    if (entry.place.segment != round_->segment || !ledger_.may_move(entry.id, entry.place)) continue;
    round_->found.push_back({entry.id, entry.place});
    round_->found_bytes += queue::record_size(entry.place);
  }
  round_->position = *next;
  round_->read_to_end = entries.empty() || next->segment != round_->segment;
}

void Reclaimer::send_batch(event::Monotonic turn) {
  ipc::MoveRecords batch{++number_, {}};
  uint64_t bytes = 0;
  while (!round_->found.empty() && batch.records.size() < kMostRecords) {
    const ipc::RecordToMove& record = round_->found.front();
    const uint64_t size = queue::record_size(record.place);
    if (bytes > 0 && bytes + size > kMostBytes) break;
    // It may have gone, or be in somebody's hand, since it was found.
    if (ledger_.may_move(record.id, record.place)) {
      batch.records.push_back(record);
      bytes += size;
    }
    round_->found_bytes -= size;
    round_->found.pop_front();
  }
  if (batch.records.empty()) return;
  if (!send_(batch)) return give_up(turn);
  awaits_answer_ = true;
  round_->asked += batch.records.size();
  credit_ -= std::min(credit_, bytes);
}

void Reclaimer::answered(const ipc::RecordsMoved* answer, event::Monotonic turn) {
  if (!awaits_answer_ || (answer != nullptr && answer->batch != number_)) return;
  awaits_answer_ = false;
  if (answer == nullptr || !answer->stored) return give_up(turn);
  if (round_ && !answer->damaged.empty()) damaged_.insert(round_->segment);
}

// What was copied is known from the log. The rest is looked for again.
void Reclaimer::give_up(event::Monotonic turn) {
  paused_until_ = turn + kPause;
  round_.reset();
}

void Reclaimer::end_round(event::Monotonic turn) {
  if (round_->asked > 0)
    logger_.info(fmt::format("queue: reclaim: {} messages of segment {} were copied", round_->asked, round_->segment));
  // If it can be freed it is gone by then; else somebody reads it, or what is left of it was not found.
  resting_until_[round_->segment] = turn + (round_->asked > 0 ? kShortRest : kLongRest);
  round_.reset();
}

}  // namespace hikyaku::qmgr
