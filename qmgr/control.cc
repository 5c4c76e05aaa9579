// Answers the operator.
#include "qmgr/control.h"

#include <algorithm>
#include <tuple>

#include "smtp/address.h"
#include "util/text.h"

namespace hikyaku::qmgr {

namespace {

// A slice of a listing: whichever comes first. A few milliseconds of work.
constexpr size_t kEntriesAtOnce = 300;
constexpr size_t kBytesAtOnce = 256 << 10;

bool is_filtered(const ipc::Selection& selection) {
  return !selection.sender.empty() || !selection.recipient.empty() || !selection.domain.empty();
}

bool is_same(const ipc::Selection& a, const ipc::Selection& b) {
  const auto members = [](const ipc::Selection& s) { return std::tie(s.all, s.ids, s.sender, s.recipient, s.domain); };
  return members(a) == members(b);
}

// Whether the action changes anything, so that the operator is told of no message that stays as it is.
bool concerns(ipc::Verb verb, const Message& message) {
  const size_t to_do = message.count(Step::kReady) + message.count(Step::kWaiting);
  switch (verb) {
    case ipc::Verb::kRetry:  // what is being tried is tried now
      return !message.held && to_do + message.count(Step::kInHand) > 0;
    case ipc::Verb::kDelete:
      return true;
    case ipc::Verb::kHold:
      return !message.held;
    case ipc::Verb::kRelease:
      return message.held;
    case ipc::Verb::kExpire:
      return to_do > 0;
  }
  return false;
}

}  // namespace

bool Control::on_frame(ipc::Peer& peer, ipc::Frame& frame, Time now) {
  return ipc::dispatch<ipc::ListQueue, ipc::ShowMessage, ipc::Act>(frame, [&]<class M>(const M& request) {
    if constexpr (std::same_as<M, ipc::ListQueue>)
      list(peer, request);
    else if constexpr (std::same_as<M, ipc::ShowMessage>)
      show(peer, request);
    else
      act(peer, request, now);
  });
}

void Control::on_gone(ipc::Peer& peer) {
  std::erase_if(answers_, [&](const auto& answer) { return answer.first == &peer; });
  listings_.erase(&peer);
}

bool Control::matches(const Message& message, const ipc::Selection& selection) const {
  if (!selection.sender.empty() && !util::iequals(selection.sender, message.sender)) return false;
  if (selection.recipient.empty() && selection.domain.empty()) return true;
  return std::any_of(message.recipients.begin(), message.recipients.end(), [&](const RecipientState& state) {
    const std::string& address = state.recipient.address;
    return (selection.recipient.empty() || util::iequals(selection.recipient, address)) &&
           (selection.domain.empty() || util::iequals(selection.domain, smtp::domain_of(address)));
  });
}

Control::Selected Control::select(const ipc::Selection& selection) {
  Selected selected;
  if (selection.all || (selection.ids.empty() && is_filtered(selection))) {
    for (const auto& [id, message] : ledger_.messages())
      if (matches(message, selection)) selected.ids.push_back(message.id);
    std::sort(selected.ids.begin(), selected.ids.end());
    return selected;
  }
  for (const std::string& text : selection.ids) {
    const auto id = queue::parse_queue_id(text);
    const Message* message = id ? ledger_.find(*id) : nullptr;
    if (message == nullptr)
      selected.unknown.push_back(text);
    else if (matches(*message, selection))
      selected.ids.push_back(*id);
  }
  // An id given twice is one message: after the first action it may be gone.
  std::sort(selected.ids.begin(), selected.ids.end());
  selected.ids.erase(std::unique(selected.ids.begin(), selected.ids.end()), selected.ids.end());
  return selected;
}

ipc::QueueEntry Control::describe(const Message& message) const {
  ipc::QueueEntry entry{.id = message.id,
                        .queue_name = "deferred",
                        .arrival = message.arrival / 1000000,
                        .size = message.size(),
                        .sender = message.sender,
                        .recipients = {}};
  entry.expires = entry.arrival + deliveries_.config().retry.period.count();
  for (const RecipientState& state : message.recipients) {
    if (state.step == Step::kDone) continue;
    if (state.step != Step::kWaiting) entry.queue_name = "active";
    entry.attempts = std::max(entry.attempts, state.attempts);
    if (state.step == Step::kWaiting && (entry.next_attempt == 0 || state.next_attempt < entry.next_attempt))
      entry.next_attempt = state.next_attempt;
    entry.recipients.push_back({state.recipient.address, state.reply});
  }
  if (message.held) entry.queue_name = "hold";
  return entry;
}

void Control::list(ipc::Peer& peer, const ipc::ListQueue& request) {
  const auto under_way = listings_.find(&peer);
  if (under_way != listings_.end() && is_same(under_way->second.selection, request.selection))
    return send_slice(peer, under_way->second);
  ipc::Selection selection = request.selection;
  selection.all = selection.all || selection.ids.empty();
  Listing& listing = listings_[&peer];
  listing = {request.selection, select(selection).ids, 0};
  send_slice(peer, listing);
}

void Control::send_slice(ipc::Peer& peer, Listing& listing) {
  auto is_full = [&, sent = size_t{0}]() mutable {
    return sent++ == kEntriesAtOnce || peer.channel->waiting() > kBytesAtOnce;
  };
  for (; listing.next < listing.ids.size() && !is_full(); ++listing.next)
    if (const Message* message = ledger_.find(listing.ids[listing.next]))  // else it is gone meanwhile
      peer.channel->send(describe(*message));
  const size_t left = listing.ids.size() - listing.next;
  peer.channel->send(ipc::EndOfList{left});
  if (left == 0) listings_.erase(&peer);
}

void Control::show(ipc::Peer& peer, const ipc::ShowMessage& request) {
  const auto id = queue::parse_queue_id(request.id);
  const Message* message = id ? ledger_.find(*id) : nullptr;
  const int fd = message != nullptr ? workers_.segment(message->place.segment) : -1;
  if (fd < 0) return peer.channel->send(ipc::MessageShown{});
  const os::UniqueFd body = workers_.body(*message);
  std::vector<int> descriptors{fd};
  if (body) descriptors.push_back(body.get());
  peer.channel->send(ipc::MessageShown{true, *id, message->place, describe(*message)}, descriptors);
}

void Control::act(ipc::Peer& peer, const ipc::Act& request, Time now) {
  Selected selected = select(request.selection);
  ipc::Acted acted{.unknown = std::move(selected.unknown)};
  for (const queue::QueueId id : selected.ids) {
    Message& message = *ledger_.find(id);
    acted.on_the_wire += deliveries_.is_on_the_wire(message);
    if (!concerns(request.verb, message)) continue;
    ++acted.count;
    if (!request.dry_run) deliveries_.act(request.verb, message, now);
  }
  answers_.emplace_back(&peer, std::move(acted));
}

void Control::give_answers() {
  for (const auto& [peer, acted] : std::exchange(answers_, {})) peer->channel->send(acted);
}

}  // namespace hikyaku::qmgr
