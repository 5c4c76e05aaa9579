// Messages on their way to the disk.
#include "cleanup/group.h"

#include <fmt/format.h>

#include <utility>

#include "cleanup/new_header.h"
#include "os/clock.h"
#include "queue/envelope.h"

namespace hikyaku::cleanup {

namespace {

// The others are not the client's to set.
constexpr uint32_t kFlagsOfClients = queue::kHasDotLine | queue::kEightBit | queue::kHasLongLine;
constexpr uint32_t kFlagsOfCopies = kFlagsOfClients | queue::kHasBody | queue::kUtf8Header;

}  // namespace

bool Group::add(const Config& config, ipc::Peer& from, const ipc::Submit& submit) {
  const auto envelope = queue::parse_envelope(submit.envelope);
  if (!envelope || (envelope->report_of && from.hello.role != ipc::Role::kBounce)) return false;
  if (!refusals_.index_has_room() || !writer_.has_room(submit.envelope.size() + submit.content.size())) {
    refusals_.refuse_for_space(from, submit.request);
    return true;
  }
  HeaderResult result = new_header(config, *envelope, submit.content);
  if (result.refusal) {
    refusals_.refuse(from, submit.request, *result.refusal);
    return true;
  }
  Member& member = members_.emplace_back();
  member.from = &from;
  member.request = submit.request;
  member.envelope = submit.envelope;
  member.prepend = std::move(result.prepend);
  member.id = writer_.new_id(envelope->arrival);
  pieces_.assign(1, member.prepend);
  pieces_.insert(pieces_.end(), result.keep.begin(), result.keep.end());
  const uint32_t flags = (submit.flags & kFlagsOfClients) | header_flags(*envelope, submit.content);
  member.place = writer_.append(member.id, flags, submit.envelope, pieces_);
  logger_.record(log::MessageIdSeen{member.id, std::string(result.message_id)});
  return true;
}

void Group::add(ipc::Peer& from, const ipc::BodyDone& done, IncomingBody body) {
  bytes_of_bodies_ += done.length;
  complete_.push_back({&from, done, std::move(body)});
}

// A record may only name a body that is durable, so these are appended last, and get their ids now: ids grow as the log
// does.
void Group::begin() {
  for (const Complete& one : complete_)
    files_at_hand_.push_back({one.body.name, writer_.new_id(one.body.arrival), one.body.file.get(), one.done.length});
  before_ = writer_.durable_end();
}

void Group::flush() {
  const os::Monotonic began = os::monotonic_now();
  files_.make_durable(files_at_hand_);
  for (size_t i = 0; i < files_at_hand_.size(); ++i)
    if (files_at_hand_[i].durable) append(complete_[i], files_at_hand_[i].id);
  flushed_ = writer_.flush();
  took_ = std::chrono::duration_cast<std::chrono::microseconds>(os::monotonic_now() - began);
}

void Group::append(const Complete& complete, queue::QueueId id) {
  const ipc::BodyDone& done = complete.done;
  Member& member = members_.emplace_back();
  member.from = complete.from;
  member.request = done.request;
  member.id = id;
  member.owned_envelope = complete.body.envelope;
  member.envelope = member.owned_envelope;
  member.prepend = queue::encode_body_reference({done.length, done.crc}) + complete.body.head;
  pieces_.assign(1, member.prepend);
  const uint32_t flags = (done.flags & kFlagsOfClients) | complete.body.flags | queue::kHasBody;
  member.place = writer_.append(id, flags, member.envelope, pieces_);
  member.place.body_length = done.length;
}

void Group::add_copy(queue::QueueId id, const queue::Place& from, std::string envelope, std::string content) {
  Member& member = members_.emplace_back();
  ++copies_;
  member.id = id;
  member.owned_envelope = std::move(envelope);
  member.envelope = member.owned_envelope;
  member.prepend = std::move(content);
  pieces_.assign(1, member.prepend);
  member.place = writer_.append(id, (from.flags & kFlagsOfCopies) | queue::kMoved, member.envelope, pieces_);
  member.place.body_length = from.body_length;
}

bool Group::end(ipc::Appended& appended) {
  end_bodies();
  if (flushed_) {
    tell_stored(appended);
  } else {
    logger_.error(fmt::format("queue: {} messages could not be stored: {}", members_.size(), flushed_.error().text));
    tell_failure();
  }
  told_ = std::exchange(members_, {});
  copies_ = 0;
  return flushed_.has_value();
}

void Group::end_bodies() {
  for (size_t i = 0; i < files_at_hand_.size(); ++i) {
    const auto& [name, id, fd, length, durable] = files_at_hand_[i];
    if (durable) {
      logger_.record(log::MessageIdSeen{id, complete_[i].body.message_id});
      continue;
    }
    logger_.error("queue: a message could not be stored: " + durable.error().text);
    refusals_.refuse(*complete_[i].from, complete_[i].done.request, kWriteError);
  }
  complete_.clear();
  files_at_hand_.clear();
  bytes_of_bodies_ = 0;
}

void Group::tell_stored(ipc::Appended& appended) {
  const auto end = writer_.durable_end();
  appended = {before_.segment, before_.offset, end.segment, end.offset, {}};
  appended.entries.reserve(members_.size());
  for (const Member& member : members_) {
    appended.entries.push_back({member.id, member.place, member.envelope});
    if (member.from != nullptr) member.from->channel->send(ipc::Stored{member.request, member.id});
  }
}

void Group::tell_failure() {
  for (const Member& member : members_) {
    if (member.from == nullptr) continue;  // a copy: its message, and its body, are where they were
    // Where nobody knows what a restart would find, the client must get no answer: code 0 says so. And what it would
    // find may need its body.
    refusals_.refuse(*member.from, member.request, writer_.usable() ? kWriteError : smtp::Reply{});
    if (writer_.usable() && member.place.has_body()) (void)files_.free(member.id);
  }
}

}  // namespace hikyaku::cleanup
