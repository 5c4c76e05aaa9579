// The ledger's part in reclaim: what lives where, and messages whose record was copied to another segment
// (lib/queue/README.md, "Reclaim").
#include <algorithm>

#include "qmgr/ledger.h"
#include "qmgr/rest.h"

namespace hikyaku::qmgr {

void Ledger::count(const queue::Place& place, int messages) {
  Segment& segment = segments_[place.segment];
  segment.alive += static_cast<size_t>(messages);
  segment.live_bytes += static_cast<uint64_t>(messages) * queue::record_size(place);
}

std::vector<Ledger::SegmentUse> Ledger::use() {
  std::vector<SegmentUse> all;
  for (auto& [number, segment] : segments_) {
    if (segment.size == 0) {
      const auto file = log_.open_segment(number);
      if (const auto size = file ? disk_.size(file->get()) : util::Result<uint64_t>{0}) segment.size = *size;
    }
    const bool is_movable = number < durable_checkpoint_.segment && !segment.unreadable && !log_.is_unreadable(number);
    all.push_back({number, segment.size, segment.live_bytes, segment.alive, is_movable});
  }
  return all;
}

namespace {

bool is_in_hand(const Message& message) {
  return std::ranges::any_of(message.recipients, [](const RecipientState& state) {
    return state.step == Step::kInHand || state.step == Step::kReporting;
  });
}

}  // namespace

bool Ledger::may_move(queue::QueueId id, const queue::Place& place) {
  const auto is_there = [&](const queue::Place& known) {
    return known.segment == place.segment && known.offset == place.offset;
  };
  if (const Message* message = find(id)) return is_there(message->place) && !is_in_hand(*message);
  if (gone_.contains(id.value)) return false;
  const auto resting = index_->find(id);
  return resting && *resting && is_there(place_of(**resting));
}

// Where a message stands that is not in memory.
queue::Place Ledger::place_of(const queue::RestingMessage& resting) const {
  const auto moving = moving_.find(resting.id.value);
  return moving == moving_.end() ? resting.place : moving->second.place;
}

// A copy that a restart reads. What is known stays where it is: that segment is there, because freeing it comes last.
// Of what is not known the copy is void, the message has ended. But with a journal that lost something the copy may be
// all that tells of the message.
bool Ledger::is_wanted_copy(queue::QueueId id) {
  const auto lost = std::ranges::find(unreadable_, id, &queue::Moved::id);
  if (lost == unreadable_.end()) return journal_has_gaps_;
  count(lost->place, -1);
  unreadable_.erase(lost);
  return true;
}

// A durable copy of a record was read, or told of. One that is in somebody's hand is read where it stands, so it stays
// there, and the copy is void.
void Ledger::move(queue::QueueId id, const queue::Place& place) {
  Message* const message = find(id);
  queue::Place from;
  if (message != nullptr) {
    if (is_in_hand(*message)) return;
    from = message->place;
  } else {
    if (gone_.contains(id.value)) return;
    const auto resting = index_->find(id);
    if (!resting || !*resting) return;
    from = place_of(**resting);
  }
  if (!place.is_later_than(from)) return;
  count(from, -1);
  count(place, 1);
  append(queue::Moved{id, place});
  if (message != nullptr) {
    message->place = place;
    message->placed_in = journal_.number();
    if (!message->indexed) return;
  }
  moving_[id.value] = {place};
  moved_away(id, from.segment);
}

void Ledger::moved_away(queue::QueueId id, uint32_t from) {
  to_move_.emplace_back(id, from);
  ++segments_[from].to_move;
}

void Ledger::hand_over_moves() {
  for (const auto& [id, from] : std::exchange(to_move_, {})) {
    Segment& left = segments_[from];
    --left.to_move;
    const auto moving = moving_.find(id.value);
    if (moving == moving_.end()) continue;  // it has ended
    left.moved_by = moving->second.change = writer_->add(queue::MoveMessage{id, moving->second.place});
    moved_.emplace_back(left.moved_by, id);
  }
}

// Nothing alive stands in it, and no power loss changes that.
bool Ledger::is_left(const Segment& segment) const {
  return segment.alive == 0 && segment.to_move == 0 && segment.moved_by <= index_up_to_.durable;
}

bool Ledger::awaits_durable_moves() const {
  return std::ranges::any_of(segments_, [&](const auto& each) {
    return each.second.alive == 0 && each.second.moved_by > index_up_to_.durable;
  });
}

// Those of which the journal has a later place than the index, by which the segments were counted.
util::Result<void> Ledger::recover_moves() {
  for (const auto& [value, moving] : moving_) {
    const queue::QueueId id{value};
    const auto known = index_->find(id);
    if (!known) return std::unexpected(known.error());
    if (!*known) continue;
    count((*known)->place, -1);
    count(moving.place, 1);
    moved_away(id, (*known)->place.segment);
  }
  return {};
}

}  // namespace hikyaku::qmgr
