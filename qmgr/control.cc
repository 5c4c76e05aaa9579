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
constexpr size_t kLooksAtOnce = 3000;  // at messages that a filter may pass over
constexpr size_t kActedAtOnce = 300;
// Messages on their way to the index: an action that sends it as many waits for it, because they are in memory.
constexpr size_t kMostLeaving = 20000;
constexpr size_t kBytesAtOnce = 256 << 10;
constexpr size_t kLongestReason = 500;  // bytes, of why a message cannot be read

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

bool Control::on_frame(ipc::Peer& peer, ipc::Frame& frame) {
  return ipc::dispatch<ipc::ListQueue, ipc::ShowMessage, ipc::Act>(frame, [&]<class M>(const M& request) {
    if constexpr (std::same_as<M, ipc::ListQueue>)
      list(peer, request);
    else if constexpr (std::same_as<M, ipc::ShowMessage>)
      show(peer, request);
    else
      begin(peer, request);
  });
}

void Control::on_gone(ipc::Peer& peer) {
  std::erase_if(actions_, [&](const Action& action) { return action.peer == &peer; });
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

// Of a message that cannot be read the index may know sender and domains, and more may match than does.
bool Control::may_match(const Ledger::Seen& seen, const ipc::Selection& selection) const {
  if (!seen.message) return seen.trouble.has_value();
  if (!seen.trouble) return matches(*seen.message, selection);
  ipc::Selection known = selection;
  if (known.domain.empty()) known.domain = smtp::domain_of(selection.recipient);
  known.recipient.clear();
  return matches(*seen.message, known);
}

void Control::add(ipc::Unread& unread, const util::Error& trouble) const {
  ++unread.messages;
  unread.may_pass =
      unread.may_pass || !trouble.permanent || ledger_.index_failure();  // the next qmgr has another index
  if (unread.first.size() < ipc::Unread::kMostNamed) unread.first.push_back(trouble.text.substr(0, kLongestReason));
}

// What is broken ends this process, and with it the walk.
void Control::tell_part(const Walk& walk, bool is_through, ipc::Unread& unread) const {
  const auto failure = ledger_.index_failure();
  if (walk.error())
    unread.part = walk.error()->text;
  else if (failure && !is_through)
    unread.part = failure->text;
  unread.may_pass = unread.may_pass || !unread.part.empty();
}

// The IDs named, or all; the filters are the caller's to apply.
Walk Control::select(const ipc::Selection& selection, std::vector<std::string>& unknown) {
  if (selection.all || (selection.ids.empty() && is_filtered(selection))) return Walk(ledger_);
  std::vector<queue::QueueId> ids;
  for (const std::string& text : selection.ids) {
    if (const auto id = queue::parse_queue_id(text))
      ids.push_back(*id);
    else
      unknown.push_back(text);
  }
  return Walk(ledger_, std::move(ids));
}

ipc::QueueEntry Control::describe(const Message& message) const {
  ipc::QueueEntry entry{.id = message.id,
                        .queue_name = "deferred",
                        .arrival = message.arrival / 1000000,
                        .size = message.size(),
                        .sender = message.sender,
                        .hold_reason = message.hold_reason,
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
  listings_.erase(&peer);
  ipc::Selection selection = request.selection;
  selection.all = selection.all || selection.ids.empty();
  std::vector<std::string> unknown;
  Walk walk = select(selection, unknown);
  send_slice(peer, listings_.emplace(&peer, Listing{request.selection, std::move(walk), {}}).first->second);
}

void Control::send_slice(ipc::Peer& peer, Listing& listing) {
  size_t sent = 0;
  for (size_t looks = 0; looks < kLooksAtOnce && sent < kEntriesAtOnce && peer.channel->waiting() <= kBytesAtOnce;
       ++looks) {
    const auto id = listing.walk.next();
    if (!id) break;
    const Ledger::Seen seen = ledger_.look(*id);  // nothing: it is gone meanwhile
    if (!may_match(seen, listing.selection)) continue;
    if (seen.trouble) add(listing.unread, *seen.trouble);
    if (!seen.message) continue;
    peer.channel->send(describe(*seen.message));
    ++sent;
  }
  size_t left = listing.walk.left();
  tell_part(listing.walk, left == 0, listing.unread);
  if (ledger_.index_failure()) left = 0;
  peer.channel->send(ipc::EndOfList{left, listing.unread});
  if (left == 0) listings_.erase(&peer);
}

void Control::show(ipc::Peer& peer, const ipc::ShowMessage& request) {
  const auto id = queue::parse_queue_id(request.id);
  const Ledger::Seen seen = id ? ledger_.look(*id) : Ledger::Seen{};
  ipc::MessageShown shown;
  if (seen.message) shown = {true, *id, seen.message->place, describe(*seen.message), {}};
  const int fd = seen.message && !seen.trouble ? workers_.segment(shown.place.segment) : -1;
  if (seen.trouble) {
    add(shown.unread, *seen.trouble);
  } else if (seen.message && fd < 0) {
    add(shown.unread,
        {"message " + queue::to_text(*id) + ": segment " + std::to_string(shown.place.segment) + " cannot be opened"});
  }
  if (fd < 0) return peer.channel->send(shown);
  const os::UniqueFd body = workers_.body(*seen.message);
  std::vector<int> descriptors{fd};
  if (body) descriptors.push_back(body.get());
  peer.channel->send(shown, descriptors);
}

// ---- actions -------------------------------------------------------------------------------------------------------

void Control::begin(ipc::Peer& peer, const ipc::Act& request) {
  ipc::Acted acted;
  Walk walk = select(request.selection, acted.unknown);
  const bool named = !request.selection.all && !request.selection.ids.empty();
  actions_.push_back(
      {&peer, request.verb, request.dry_run, request.selection, named, std::move(walk), std::move(acted)});
}

bool Control::work(Time now) {
  for (size_t acted = 0; !actions_.empty() && acted < kActedAtOnce; ++acted) {
    const bool broken = ledger_.index_failure().has_value();
    if (!broken && ledger_.leaving() >= kMostLeaving) return false;  // the index's progress brings us back
    Action& action = actions_.front();
    const auto id = broken ? std::nullopt : action.walk.next();
    if (id) {
      act_on(action, *id, now);
      continue;
    }
    tell_part(action.walk, !broken, action.acted.unread);
    answers_.emplace_back(action.peer, std::move(action.acted));
    actions_.pop_front();
  }
  return !actions_.empty();
}

void Control::act_on(Action& action, queue::QueueId id, Time now) {
  const Ledger::Seen seen = ledger_.look(id);
  if (!seen.message && !seen.trouble) {
    if (action.named) action.acted.unknown.push_back(queue::to_text(id));
    return;
  }
  if (!may_match(seen, action.selection)) return;
  if (seen.trouble) {
    // Whoever names it wants it gone, and nothing else can be done with it.
    const bool may_go =
        action.verb == ipc::Verb::kDelete && action.named && seen.trouble->permanent && !ledger_.index_failure();
    if (!may_go || (!action.dry_run && !deliveries_.delete_unreadable(id)))
      return add(action.acted.unread, *seen.trouble);
    ++action.acted.count;
    return;
  }
  action.acted.on_the_wire += deliveries_.is_on_the_wire(*seen.message);
  if (!concerns(action.verb, *seen.message)) return;
  if (!action.dry_run) {
    Message* message = ledger_.load(id);
    if (message == nullptr)
      return add(action.acted.unread, {"message " + queue::to_text(id) + " could not be read once more"});
    deliveries_.act(action.verb, *message, now);
  }
  ++action.acted.count;
}

void Control::give_answers() {
  for (const auto& [peer, acted] : std::exchange(answers_, {})) peer->channel->send(acted);
}

}  // namespace hikyaku::qmgr
