// The messages of a turn on their way to the disk.
#include "cleanup/group.h"

#include <fmt/format.h>

#include "cleanup/header_policy.h"
#include "os/clock.h"
#include "queue/envelope.h"

namespace hikyaku::cleanup {

void Group::refuse(ipc::Peer& from, uint64_t request, const smtp::Reply& reply) {
  from.channel->send(ipc::Refused{request, static_cast<uint16_t>(reply.code), reply.enhanced, reply.text});
}

bool Group::add(const Config& config, ipc::Peer& from, const ipc::Submit& submit) {
  const auto envelope = queue::parse_envelope(submit.envelope);
  if (!envelope) return false;
  if (!index_has_room_ || !writer_.has_room(submit.envelope.size() + submit.content.size())) {
    if (os::monotonic_now() >= next_space_warning_) {
      logger_.warning("queue: no space is left for new mail: it is refused with 452 4.3.1 until there is");
      next_space_warning_ = os::monotonic_now() + std::chrono::minutes(1);
    }
    refuse(from, submit.request, {452, "4.3.1", "Insufficient system storage"});
    return true;
  }
  const ReceivedFacts facts{.helo = envelope->helo,
                            .client_name = envelope->client_name,
                            .client_address = envelope->client_address,
                            .our_name = config.our_name,
                            .our_address = envelope->server_address,
                            .arrival = envelope->arrival,
                            .utc_offset = os::utc_offset(envelope->arrival)};
  // Our own reports say where they come from in their header; a Received field of ours would only repeat it.
  const bool own = envelope->client_address.empty();
  HeaderPolicy policy = config.headers;
  if (own) policy.received_header = ReceivedHeader::kNone;
  HeaderResult result = apply_header_policy(policy, facts, submit.content);
  if (result.refusal) {
    refuse(from, submit.request, *result.refusal);
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
  member.place = writer_.append(member.id, submit.flags, submit.envelope, pieces_);
  logger_.record(log::MessageIdSeen{member.id, std::string(result.message_id)});
  return true;
}

bool Group::commit(ipc::Appended& appended) {
  const auto before = writer_.durable_end();
  const auto flushed = writer_.flush();
  if (flushed) {
    const auto end = writer_.durable_end();
    appended = {before.segment, before.offset, end.segment, end.offset, {}};
    appended.entries.reserve(members_.size());
    for (const Member& member : members_) {
      appended.entries.push_back({member.id, member.place, member.envelope});
      member.from->channel->send(ipc::Stored{member.request, member.id});
    }
  } else {
    logger_.error(fmt::format("queue: {} messages could not be stored: {}", members_.size(), flushed.error().text));
    for (const Member& member : members_) {
      // Where nobody knows what a restart would find, the client must get no answer: code 0 says so.
      const smtp::Reply none, failed{451, "4.3.0", "Error: queue file write error"};
      refuse(*member.from, member.request, writer_.usable() ? failed : none);
    }
  }
  members_.clear();
  return flushed.has_value();
}

}  // namespace hikyaku::cleanup
