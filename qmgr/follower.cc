// Follows the log.
#include "qmgr/follower.h"

#include <fmt/format.h>

#include <algorithm>

#include "ipc/messages.h"

namespace hikyaku::qmgr {

namespace {

constexpr size_t kEntriesPerTurn = 4096;  // so that workers and operators are heard between the pieces of a long log
constexpr event::Duration kAfterFailure = std::chrono::seconds(1);
// Bodies whose end cleanup may not have heard of, before a look at the folder tells which of them are gone.
constexpr size_t kMostFreedBodies = 4096;

}  // namespace

Follower::Follower(event::Loop& loop, log::Logger& logger, queue::LogReader& log, queue::LogPosition from,
                   std::function<void(queue::LogEntry&&)> entry, std::function<void()> caught_up)
    : logger_(logger),
      log_(log),
      position_(from),
      durable_end_(from),
      entry_(std::move(entry)),
      caught_up_(std::move(caught_up)),
      read_more_(loop, [this] { read(); }),
      cleanup_(loop, "private/cleanup", ipc::hello_of(ipc::Role::kQmgr),
               {.up = [this](ipc::Channel& channel) { on_up(channel); },
                .frame = [this](ipc::Channel&, ipc::Frame& frame) { return on_frame(frame); },
                .down =
                    [this](const std::string&) {
                      knows_end_ = false;
                      when_moved_(nullptr);
                    }},
               {.frame = 64 << 20, .input = 256 << 10, .output = 4 << 20}) {}

// A cleanup that died may not have come to what it was told to free. Numbers are never given twice, so a segment that
// is still there is the one that was meant.
void Follower::on_up(ipc::Channel& channel) {
  channel.send(ipc::Follow{});
  if (!has_room_) channel.send(ipc::IndexRoom{false});
  forget_freed_bodies();
  for (const queue::QueueId id : freed_bodies_) channel.send(ipc::FreeBody{id});
  const auto existing = log_.segments();
  if (!existing) return;
  std::erase_if(freed_, [&](uint32_t number) { return !std::ranges::binary_search(*existing, number); });
  for (const uint32_t number : freed_) channel.send(ipc::FreeSegment{number});
}

void Follower::free_segment(uint32_t number) {
  freed_.push_back(number);
  if (ipc::Channel* channel = cleanup_.channel()) channel->send(ipc::FreeSegment{number});
}

void Follower::tell_room(bool has_room) {
  has_room_ = has_room;
  if (ipc::Channel* channel = cleanup_.channel()) channel->send(ipc::IndexRoom{has_room});
}

void Follower::free_body(queue::QueueId id) {
  if (freed_bodies_.size() >= kMostFreedBodies) forget_freed_bodies();
  freed_bodies_.push_back(id);
  if (ipc::Channel* channel = cleanup_.channel()) channel->send(ipc::FreeBody{id});
}

bool Follower::move_records(const ipc::MoveRecords& batch) {
  ipc::Channel* const channel = cleanup_.channel();
  if (channel != nullptr) channel->send(batch);
  return channel != nullptr;
}

void Follower::forget_freed_bodies() {
  const auto existing = log_.bodies();
  if (!existing) return;
  std::erase_if(freed_bodies_, [&](queue::QueueId id) { return !std::ranges::binary_search(*existing, id); });
}

bool Follower::on_frame(ipc::Frame& frame) {
  bool well_formed = true;
  const bool understood = ipc::dispatch<ipc::Appended, ipc::RecordsMoved>(frame, [&]<class M>(const M& message) {
    if constexpr (std::same_as<M, ipc::Appended>)
      well_formed = take(message);
    else
      when_moved_(&message);
  });
  return understood && well_formed;
}

bool Follower::take(const ipc::Appended& appended) {
  durable_end_ = {appended.segment, appended.end};
  knows_end_ = true;
  const queue::LogPosition from{appended.from_segment, appended.from};
  if (position_ == from && !appended.entries.empty()) return take_hint(appended);
  read();
  return true;
}

// The entries are all that stands between our position and the durable end: no need to read them.
bool Follower::take_hint(const ipc::Appended& appended) {
  for (const ipc::AppendedEntry& hint : appended.entries) {
    auto envelope = queue::parse_envelope(hint.envelope);
    if (!envelope) return false;
    entry_({hint.id, hint.place, std::move(*envelope)});
  }
  position_ = durable_end_;
  caught_up_();
  return true;
}

void Follower::read() {
  std::vector<queue::LogEntry> entries;
  std::vector<queue::Damage> damage;
  auto next = log_.read_entries(position_, durable_end_, kEntriesPerTurn, entries, damage);
  for (const queue::Damage& one : damage)
    logger_.error(fmt::format("queue: {}: {} bytes at offset {} are damaged", one.file, one.length, one.offset));
  for (queue::LogEntry& entry : entries) entry_(std::move(entry));
  if (!next) {
    if (std::exchange(told_, next.error().text) != next.error().text) logger_.error("queue: " + told_);
    return read_more_.set(kAfterFailure);
  }
  told_.clear();
  position_ = *next;
  if (!entries.empty()) return read_more_.set({});
  position_ = std::max(position_, durable_end_);
  caught_up_();
}

}  // namespace hikyaku::qmgr
