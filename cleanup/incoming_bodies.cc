// Big messages that are being received.
#include "cleanup/incoming_bodies.h"

#include "cleanup/new_header.h"

namespace hikyaku::cleanup {

// What the header decides is decided now, before the greater part of the message has come.
bool IncomingBodies::begin(const Config& config, ipc::Peer& from, const ipc::BeginBody& begun) {
  const auto envelope = queue::parse_envelope(begun.envelope);
  if (!envelope || bodies_.contains({&from, begun.request})) return false;
  const HeaderResult header = new_header(config, *envelope, begun.head);
  if (header.refusal) {
    refusals_.refuse(from, begun.request, *header.refusal);
    return true;
  }
  if (!refusals_.index_has_room() || !has_room(begun)) {
    refusals_.refuse_for_space(from, begun.request);
    return true;
  }
  IncomingBody body{writer_.new_id(envelope->arrival),
                    {},
                    begun.expected,
                    envelope->arrival,
                    std::string(begun.envelope),
                    header.prepend,
                    std::string(header.message_id),
                    header_flags(*envelope, begun.head)};
  for (const std::string_view kept : header.keep) body.head += kept;
  auto file = files_.begin(body.name);
  if (!file) {
    refusals_.refuse(from, begun.request, kWriteError);
    return true;
  }
  body.file = std::move(*file);
  from.channel->send(ipc::BodyFile{begun.request}, body.file.get());
  bodies_.emplace(Key{&from, begun.request}, std::move(body));
  return true;
}

// What was announced for the others and has not come yet is theirs.
bool IncomingBodies::has_room(const ipc::BeginBody& begun) {
  uint64_t wanted = begun.expected;
  for (const auto& [key, body] : bodies_) {
    const uint64_t written = disk_.size(body.file.get()).value_or(0);
    wanted += body.expected > written ? body.expected - written : 0;
  }
  return writer_.has_room(begun.envelope.size() + begun.head.size()) && files_.has_room(wanted);
}

std::optional<IncomingBody> IncomingBodies::take(ipc::Peer& from, uint64_t request) {
  auto found = bodies_.extract({&from, request});
  if (!found) return std::nullopt;
  return std::move(found.mapped());
}

void IncomingBodies::drop(ipc::Peer& from, uint64_t request) {
  if (const auto body = take(from, request)) files_.drop(body->name);
}

void IncomingBodies::drop_all_of(ipc::Peer& from) {
  for (auto body = bodies_.lower_bound({&from, 0}); body != bodies_.end() && body->first.first == &from;) {
    files_.drop(body->second.name);
    body = bodies_.erase(body);
  }
}

void IncomingBodies::drop_all() {
  for (const auto& [key, body] : bodies_) files_.drop(body.name);
  bodies_.clear();
}

}  // namespace hikyaku::cleanup
