// What can be read of a message that is not in memory, and what is said of one that cannot.
#include <fmt/format.h>

#include <algorithm>

#include "qmgr/ledger.h"
#include "qmgr/rest.h"

namespace hikyaku::qmgr {

namespace {

constexpr size_t kMostOpenSegments = 64;

util::Error with_place(queue::QueueId id, const queue::Place& place, const util::Error& error) {
  return {fmt::format("message {} in segment {} at offset {} cannot be read: {}", queue::to_text(id), place.segment,
                      place.offset, error.text),
          error.permanent};
}

}  // namespace

Ledger::Seen Ledger::look(queue::QueueId id) {
  if (const Message* message = find(id)) return {*message, {}};
  if (gone_.contains(id.value)) return {};
  if (const auto lost = std::ranges::find(unreadable_, id, &queue::Moved::id); lost != unreadable_.end()) {
    const auto head = read_head(id, lost->place);
    return {{}, with_place(id, lost->place, head ? util::Error{"it could not be at the start"} : head.error())};
  }
  const auto resting = index_->find(id);
  if (!resting) return {{}, resting.error()};
  if (!*resting) return {};
  Seen seen{from_resting(**resting), {}};
  seen.message->place = place_of(**resting);
  if (auto read = read_envelope(*seen.message); !read) {
    tell_unreadable(id, read.error());
    seen.trouble = std::move(read.error());
  }
  return seen;
}

// Takes from the log what the index does not keep.
util::Result<void> Ledger::read_envelope(Message& message) {
  auto head = read_head(message.id, message.place);
  if (head && !take_envelope(message, std::move(head->envelope)))
    head = util::permanent("its envelope has not the recipients that the index knows");
  if (!head) return std::unexpected(with_place(message.id, message.place, head.error()));
  return {};
}

util::Result<queue::RecordHead> Ledger::read_head(queue::QueueId id, const queue::Place& place) {
  if (open_.size() > kMostOpenSegments) open_.clear();
  os::UniqueFd& fd = open_[place.segment];
  if (!fd) {
    auto opened = log_.open_segment(place.segment);
    if (!opened) {
      open_.erase(place.segment);
      const auto existing = log_.segments();
      const bool is_there = !existing || std::ranges::find(*existing, place.segment) != existing->end();
      return std::unexpected(is_there ? opened.error() : util::Error{"the segment is not there", true});
    }
    fd = std::move(*opened);
  }
  return queue::read_head(fd.get(), id, place);
}

// A message before the checkpoint that the index does not know: its envelope is read again from its place.
util::Result<void> Ledger::bring_back(queue::QueueId id, const queue::Place& place) {
  auto head = read_head(id, place);
  if (head) {
    admit(id, place, std::move(head->envelope));
    return {};
  }
  if (!head.error().permanent) return std::unexpected(head.error());
  tell_unreadable(id, with_place(id, place, head.error()));
  // Its segment is kept for whoever can still save something: also by the next qmgr.
  count(place, 1);
  segments_[place.segment].unreadable = true;
  unreadable_.push_back({id, place});
  return {};
}

void Ledger::tell_unreadable(queue::QueueId id, const util::Error& error) {
  if (told_unreadable_.insert(id.value).second) damage_.push_back(error.text);
}

}  // namespace hikyaku::qmgr
