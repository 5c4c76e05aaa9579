// Answers the operator.
#include "qmgr/control.h"

#include <algorithm>

#include "util/text.h"

namespace hikyaku::qmgr {

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
}

namespace {

std::string_view domain_of(std::string_view address) {
  const size_t at = address.rfind('@');
  return at == std::string_view::npos ? std::string_view() : address.substr(at + 1);
}

}  // namespace

bool Control::matches(const Message& message, const ipc::Selection& selection) const {
  if (!selection.sender.empty() && !util::iequals(selection.sender, message.sender)) return false;
  if (selection.recipient.empty() && selection.domain.empty()) return true;
  return std::any_of(message.recipients.begin(), message.recipients.end(), [&](const RecipientState& state) {
    const std::string& address = state.recipient.address;
    return (selection.recipient.empty() || util::iequals(selection.recipient, address)) &&
           (selection.domain.empty() || util::iequals(selection.domain, domain_of(address)));
  });
}

Control::Selected Control::select(const ipc::Selection& selection) {
  Selected selected;
  const bool filtered = !selection.sender.empty() || !selection.recipient.empty() || !selection.domain.empty();
  if (selection.all || (selection.ids.empty() && filtered)) {
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
  ipc::Selection selection = request.selection;
  selection.all = selection.all || selection.ids.empty();
  const Selected selected = select(selection);
  for (const queue::QueueId id : selected.ids) peer.channel->send(describe(*ledger_.find(id)));
  peer.channel->send(ipc::EndOfList{selected.ids.size()});
}

void Control::show(ipc::Peer& peer, const ipc::ShowMessage& request) {
  const auto id = queue::parse_queue_id(request.id);
  const Message* message = id ? ledger_.find(*id) : nullptr;
  const int fd = message != nullptr ? workers_.segment(message->place.segment) : -1;
  if (fd < 0) return peer.channel->send(ipc::MessageShown{});
  peer.channel->send(ipc::MessageShown{true, *id, message->place, describe(*message)}, fd);
}

void Control::act(ipc::Peer& peer, const ipc::Act& request, Time now) {
  Selected selected = select(request.selection);
  ipc::Acted acted{.count = selected.ids.size(), .unknown = std::move(selected.unknown)};
  for (const queue::QueueId id : selected.ids) {
    Message& message = *ledger_.find(id);
    acted.on_the_wire += deliveries_.is_on_the_wire(message);
    if (!request.dry_run) deliveries_.act(request.verb, message, now);
  }
  answers_.emplace_back(&peer, std::move(acted));
}

void Control::give_answers() {
  for (const auto& [peer, acted] : std::exchange(answers_, {})) peer->channel->send(acted);
}

}  // namespace hikyaku::qmgr
