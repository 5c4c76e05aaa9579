// The daemons that work for qmgr.
#include "qmgr/workers.h"

#include <fmt/format.h>

#include <algorithm>

#include "ipc/messages.h"
#include "os/clock.h"
#include "util/text.h"

namespace hikyaku::qmgr {

namespace {

constexpr event::Duration kRest = std::chrono::milliseconds(500);

// How the log calls it.
std::string shown(ipc::Role role, ipc::ProcessName name) {
  return fmt::format("{} (process {})", role == ipc::Role::kBounce ? "bounce" : "smtp-client", name.pid);
}

// With a duplicate of `body`, if there is one.
template <class Message>
void send_with(ipc::Channel& channel, const Message& message, const os::UniqueFd& body) {
  const int fd = body.get();
  channel.send(message, std::span(&fd, body ? 1 : 0));
}

}  // namespace

// ---- who is there --------------------------------------------------------------------------------------------------

util::Result<void> Workers::call_roll(event::Monotonic turn) {
  const auto present = ipc::processes_present(folder_);
  if (!present) return std::unexpected(present.error());
  for (const ipc::ProcessName name : *present) {
    if (ipc::is_alive(folder_, name))
      roll_.await(name, RollCall::Hand::kUnknown, turn);
    else
      logger_.warning(fmt::format("worker process {} died; what it had in hand may be sent more than once", name.pid));
  }
  return {};
}

void Workers::look(Time now, event::Monotonic turn) {
  for (const ipc::ProcessName name : roll_.awaited()) {
    if (ipc::is_alive(folder_, name)) continue;
    roll_.settled(name);
    if (const auto worker = known(name)) died(*worker, now);
  }
  for (const ipc::ProcessName name : roll_.late(turn))
    logger_.warning(
        fmt::format("worker process {} lives but does not report: {}", name.pid,
                    roll_.complete() ? "what it has in hand waits" : "no mail is handed out until it does"));
}

// What qmgr knows of a worker that it has met before; no more after this.
std::optional<Workers::Worker> Workers::known(ipc::ProcessName name) {
  if (auto away = away_.extract(name)) return std::move(away.mapped());
  const auto found = std::ranges::find(workers_, name, [](const auto& each) { return each.second.name; });
  if (found == workers_.end()) return std::nullopt;
  replaced_.insert(found->first);  // the end of its old connection has not been seen yet
  return std::move(workers_.extract(found).mapped());
}

// A worker's first word. One of before names jobs that this qmgr does not know; of one that was only away, the jobs
// that it no longer names never reached it, or came back on a connection that broke.
bool Workers::report(ipc::Peer& peer, ipc::Frame& frame, Time now) {
  ipc::Available available;
  if (frame.type != ipc::Available::kType || !ipc::decode_all(frame.payload, available)) return false;
  const ipc::ProcessName name = ipc::name_of(peer.hello);
  auto before = known(name);
  Worker& worker = workers_[&peer];
  worker.peer = &peer;
  worker.role = peer.hello.role;
  worker.name = name;
  worker.slots = available.slots;
  if (before) worker.answered = before->answered;
  for (const ipc::InHand& in_hand : available.in_hand)
    if (before ? before->jobs.erase(in_hand.job) > 0 : deliveries_.adopt(in_hand, worker.role == ipc::Role::kBounce))
      worker.jobs.insert(in_hand.job);
  if (before)
    for (const uint64_t number : before->jobs) deliveries_.returned(number, now);
  roll_.settled(name);
  forget_the_dead();
  return true;
}

// Those that died before they ever connected leave their signs.
void Workers::forget_the_dead() {
  if (const auto present = ipc::processes_present(folder_))
    for (const ipc::ProcessName name : *present) (void)ipc::is_alive(folder_, name);
}

void Workers::on_gone(ipc::Peer& peer, Time now, event::Monotonic turn) {
  if (replaced_.erase(&peer) > 0) return;
  auto node = workers_.extract(&peer);
  if (!node) return;  // it never said a word; if it is awaited, it still is
  Worker& worker = node.mapped();
  if (!ipc::is_alive(folder_, worker.name)) return died(worker, now);
  worker.peer = nullptr;
  roll_.await(worker.name, RollCall::Hand::kKnown, turn);
  away_.emplace(worker.name, std::move(worker));
}

void Workers::died(const Worker& worker, Time now) {
  for (const uint64_t number : worker.jobs) {
    doubts_.job_lost();
    deliveries_.lost(number, shown(worker.role, worker.name), now);
  }
}

// ---- what they say -------------------------------------------------------------------------------------------------

bool Workers::on_frame(ipc::Peer& peer, ipc::Frame& frame, Time now, event::Monotonic turn) {
  const auto found = workers_.find(&peer);
  if (found == workers_.end()) return !replaced_.contains(&peer) && report(peer, frame, now);
  Worker& worker = found->second;
  return ipc::dispatch<ipc::Available, ipc::Results, ipc::Returned, ipc::ReportStored>(
      frame, [&]<class M>(const M& message) {
        if constexpr (std::same_as<M, ipc::Available>)
          worker.slots = message.slots;
        else if constexpr (std::same_as<M, ipc::Results>)
          told(worker, message, now);
        else if constexpr (std::same_as<M, ipc::Returned>)
          told(worker, message, now, turn);
        else if constexpr (std::same_as<M, ipc::ReportStored>)
          told(worker, message, now);
        else
          told(worker, message);
      });
}

void Workers::told(Worker& worker, const ipc::Results& results, Time now) {
  if (results.number <= worker.answered) return;  // told again after the connection broke
  worker.answered = results.number;
  // A recipient that was answered for is in no doubt.
  if (results.in_doubt)
    doubts_.replies_lost(static_cast<uint64_t>(std::ranges::count_if(results.recipients, [](const auto& result) {
      return result.outcome == ipc::Outcome::kDeferred && result.remote_mta.empty();
    })));
  ipc::Results known = results;
  if (worker.jobs.erase(results.job) == 0) known.job = 0;  // another's: no job ends by it
  deliveries_.answered(known, now);
}

void Workers::told(Worker& worker, const ipc::Returned& returned, Time now, event::Monotonic turn) {
  worker.resting_until = turn + kRest;
  if (worker.jobs.erase(returned.job) > 0) deliveries_.returned(returned.job, now);
}

void Workers::told(Worker& worker, const ipc::ReportStored& stored, Time now) {
  if (stored.number <= worker.answered) return;
  worker.answered = stored.number;
  if (worker.jobs.erase(stored.job) > 0) deliveries_.report_stored(stored.job, now);
}

void Workers::tell_doubts(event::Monotonic turn) {
  if (const auto news = doubts_.news(turn)) logger_.warning(*news);
}

// ---- handing out ---------------------------------------------------------------------------------------------------

Workers::Worker* Workers::with_free_slot(ipc::Role role, event::Monotonic turn) {
  Worker* best = nullptr;
  for (auto& [peer, worker] : workers_) {
    if (worker.role != role || worker.jobs.size() >= worker.slots || turn < worker.resting_until) continue;
    if (worker.set_aside) continue;
    if (best == nullptr || worker.jobs.size() < best->jobs.size()) best = &worker;
  }
  return best;
}

void Workers::hand_out(event::Monotonic turn, bool log_is_known) {
  if (!roll_.complete()) return;
  for (const ipc::Role role : {ipc::Role::kSmtpClient, ipc::Role::kBounce}) {
    if (role == ipc::Role::kBounce && !log_is_known) continue;
    hand_out_suspects(role, turn);
    while (Worker* worker = with_free_slot(role, turn))
      if (!hand_out_next(*worker, turn)) break;
  }
}

bool Workers::hand_out_next(Worker& worker, event::Monotonic turn) {
  const bool is_report = worker.role == ipc::Role::kBounce;
  const auto outgoing = is_report ? deliveries_.next_report() : deliveries_.next_delivery();
  if (!outgoing) return false;
  send(worker, *outgoing, turn);
  return true;
}

void Workers::send(Worker& worker, const Deliveries::Outgoing& outgoing, event::Monotonic turn) {
  if (worker.role == ipc::Role::kBounce)
    send_report(worker, outgoing);
  else
    send_delivery(worker, outgoing, turn);
}

// A suspect has a worker for itself where there are several; a single one goes on with other mail meanwhile, because a
// next hop may take minutes to answer.
void Workers::hand_out_suspects(ipc::Role role, event::Monotonic turn) {
  const bool is_report = role == ipc::Role::kBounce;
  Worker* const aside = worker_for_suspects(role, turn);
  if (aside == nullptr || !deliveries_.suspects(is_report).may_begin(turn)) return;
  if (const auto outgoing = deliveries_.next_suspect(is_report, turn, os::wall_now())) send(*aside, *outgoing, turn);
}

// Sets one aside, or takes it back, as there are suspects; and gives it when it may take one now.
Workers::Worker* Workers::worker_for_suspects(ipc::Role role, event::Monotonic turn) {
  Worker* aside = nullptr;
  size_t taking = 0;
  for (auto& [peer, worker] : workers_) {
    if (worker.role != role || worker.slots == 0) continue;
    ++taking;
    if (aside == nullptr || (!aside->set_aside && (worker.set_aside || worker.jobs.size() < aside->jobs.size())))
      aside = &worker;
  }
  const bool wanted = taking > 1 && !deliveries_.suspects(role == ipc::Role::kBounce).none();
  for (auto& [peer, worker] : workers_) {
    const bool chosen = wanted && &worker == aside;
    if (worker.role == role && std::exchange(worker.set_aside, chosen) != chosen) worker.emptied = false;
  }
  if (!wanted) return with_free_slot(role, turn);
  aside->emptied |= aside->jobs.empty();
  return aside->emptied && aside->jobs.size() < aside->slots && turn >= aside->resting_until ? aside : nullptr;
}

int Workers::segment(uint32_t number) {
  os::UniqueFd& fd = segments_[number];
  if (!fd) {
    auto opened = log_.open_segment(number);
    if (opened)
      fd = std::move(*opened);
    else
      logger_.error("queue: " + opened.error().text);
  }
  return fd.get();
}

os::UniqueFd Workers::body(const Message& message) {
  if (!message.place.has_body()) return {};
  auto opened = log_.open_body(message.id);
  if (!opened) logger_.error("queue: " + opened.error().text);
  return opened ? std::move(*opened) : os::UniqueFd();
}

bool Workers::open_for(Worker& worker, uint32_t number, uint64_t nonce) {
  if (worker.open.contains(number)) return true;
  const int fd = segment(number);
  if (fd < 0) return false;
  worker.peer->channel->send(ipc::OpenSegment{number, nonce}, fd);
  worker.open.insert(number);
  return true;
}

void Workers::send_delivery(Worker& worker, const Deliveries::Outgoing& outgoing, event::Monotonic turn) {
  const Message& message = *outgoing.message;
  const Job& job = *outgoing.job;
  const os::UniqueFd body_fd = body(message);
  if (!open_for(worker, message.place.segment, message.place.nonce) || message.place.has_body() != bool(body_fd)) {
    cannot_open(outgoing);
    worker.resting_until = turn + kRest;  // the next file would fail for the same reason
    return;
  }
  // A client may say SMTPUTF8 of mail that any server can take: then it goes as any other.
  bool smtputf8 = message.smtputf8;
  recipients_.clear();
  for (const uint32_t index : job.recipients) {
    const queue::Recipient& recipient = message.recipients[index].recipient;
    smtputf8 = smtputf8 || !util::is_ascii(recipient.address);
    recipients_.push_back({index, recipient.address, recipient.original_recipient, recipient.notify});
  }
  const NextHop& hop = job.destination->hop();
  const ipc::Deliver deliver{.job = outgoing.number,
                             .id = message.id,
                             .place = message.place,
                             .arrival = message.arrival,
                             .queued = message.ready_since,
                             .next_hop_host = hop.host,
                             .next_hop_port = hop.port,
                             .no_mx = hop.brackets,
                             .retry = job.lane == Lane::kRetry,
                             .sender = message.sender,
                             .eight_bit = message.eight_bit,
                             .smtputf8 = smtputf8,
                             .envelope_id = message.envelope_id,
                             .return_content = message.return_content,
                             .recipients = recipients_};
  send_with(*worker.peer->channel, deliver, body_fd);
  worker.jobs.insert(outgoing.number);
}

// An attempt that failed on our side: counted, so that a disk in trouble is not asked without pause.
void Workers::cannot_open(const Deliveries::Outgoing& outgoing) {
  ipc::Results results{.job = outgoing.number, .id = outgoing.message->id, .recipients = {}};
  for (const uint32_t index : outgoing.job->recipients)
    results.recipients.push_back({.index = index,
                                  .outcome = ipc::Outcome::kDeferred,
                                  .status = "4.3.0",
                                  .remote_mta = "",
                                  .text = "queue file cannot be opened"});
  deliveries_.answered(results, os::wall_now());
}

void Workers::send_report(Worker& worker, const Deliveries::Outgoing& outgoing) {
  const Message& message = *outgoing.message;
  open_for(worker, message.place.segment, message.place.nonce);
  ipc::MakeReport report{.job = outgoing.number,
                         .id = message.id,
                         .place = message.place,
                         .arrival = message.arrival,
                         .sender = message.sender,
                         .envelope_id = message.envelope_id,
                         .recipients = {}};
  for (const uint32_t index : outgoing.job->recipients) {
    const RecipientState& state = message.recipients[index];
    report.recipients.push_back({.index = index,
                                 .address = state.recipient.address,
                                 .original_recipient = state.recipient.original_recipient,
                                 .status = state.status,
                                 .remote_mta = state.remote_mta,
                                 .text = state.reply,
                                 .expired = state.expired,
                                 .last_attempt = state.last_attempt});
  }
  send_with(*worker.peer->channel, report, body(message));
  worker.jobs.insert(outgoing.number);
}

void Workers::confirm_results() {
  for (auto& [peer, worker] : workers_) {
    if (worker.confirmed == worker.answered) continue;
    worker.confirmed = worker.answered;
    peer->channel->send(ipc::Recorded{worker.answered});
  }
}

void Workers::close_segment(uint32_t number) {
  segments_.erase(number);
  for (auto& [peer, worker] : workers_)
    if (worker.open.erase(number) > 0) peer->channel->send(ipc::CloseSegment{number});
}

}  // namespace hikyaku::qmgr
