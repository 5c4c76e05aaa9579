// The daemons that work for qmgr.
#include "qmgr/workers.h"

#include "ipc/messages.h"
#include "os/clock.h"

namespace hikyaku::qmgr {

namespace {

constexpr event::Duration kRest = std::chrono::milliseconds(500);

// With a duplicate of `body`, if there is one.
template <class Message>
void send_with(ipc::Channel& channel, const Message& message, const os::UniqueFd& body) {
  const int fd = body.get();
  channel.send(message, std::span(&fd, body ? 1 : 0));
}

}  // namespace

bool Workers::on_frame(ipc::Peer& peer, ipc::Frame& frame, Time now, event::Monotonic turn) {
  Worker& worker = workers_[&peer];
  worker.peer = &peer;
  return ipc::dispatch<ipc::Available, ipc::Results, ipc::Returned, ipc::ReportStored>(
      frame, [&]<class M>(const M& message) {
        if constexpr (std::same_as<M, ipc::Results>)
          told(worker, message, now);
        else if constexpr (std::same_as<M, ipc::Returned>)
          told(worker, message, now, turn);
        else
          told(worker, message);
      });
}

void Workers::told(Worker& worker, const ipc::Available& available) {
  worker.slots = available.slots;
  for (const ipc::InHand& in_hand : available.in_hand)
    if (deliveries_.adopt(in_hand)) worker.jobs.insert(in_hand.job);
}

void Workers::told(Worker& worker, const ipc::Results& results, Time now) {
  worker.answered = std::max(worker.answered, results.number);
  ipc::Results known = results;
  if (worker.jobs.erase(results.job) == 0) known.job = 0;  // told a second time, or another's: no job ends by it
  deliveries_.answered(known, now);
}

void Workers::told(Worker& worker, const ipc::Returned& returned, Time now, event::Monotonic turn) {
  worker.resting_until = turn + kRest;
  if (worker.jobs.erase(returned.job) > 0) deliveries_.returned(returned.job, now);
}

void Workers::told(Worker& worker, const ipc::ReportStored& stored) {
  if (worker.jobs.erase(stored.job) > 0) deliveries_.report_stored(stored.job, stored.report);
}

// What it had in hand is lost: nobody knows what came of it, so it is not delivered.
void Workers::on_gone(ipc::Peer& peer, Time now) {
  const auto found = workers_.find(&peer);
  if (found == workers_.end()) return;
  const auto jobs = std::move(found->second.jobs);
  workers_.erase(found);
  for (const uint64_t number : jobs) deliveries_.returned(number, now);
}

Workers::Worker* Workers::with_free_slot(ipc::Role role, event::Monotonic turn) {
  Worker* best = nullptr;
  for (auto& [peer, worker] : workers_) {
    if (peer->hello.role != role || worker.jobs.size() >= worker.slots || turn < worker.resting_until) continue;
    if (best == nullptr || worker.jobs.size() < best->jobs.size()) best = &worker;
  }
  return best;
}

void Workers::hand_out(event::Monotonic turn) {
  while (Worker* worker = with_free_slot(ipc::Role::kSmtpClient, turn))
    if (!hand_out_delivery(*worker, turn)) break;
  while (Worker* worker = with_free_slot(ipc::Role::kBounce, turn))
    if (!hand_out_report(*worker)) break;
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

bool Workers::hand_out_delivery(Worker& worker, event::Monotonic turn) {
  const auto outgoing = deliveries_.next_delivery();
  if (!outgoing) return false;
  const Message& message = *outgoing->message;
  const Job& job = *outgoing->job;
  const os::UniqueFd body_fd = body(message);
  if (!open_for(worker, message.place.segment, message.place.nonce) || message.place.has_body() != bool(body_fd)) {
    cannot_open(*outgoing);
    worker.resting_until = turn + kRest;  // the next file would fail for the same reason
    return true;
  }
  recipients_.clear();
  for (const uint32_t index : job.recipients)
    recipients_.push_back({index, message.recipients[index].recipient.address});
  const NextHop& hop = job.destination->hop();
  const ipc::Deliver deliver{.job = outgoing->number,
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
                             .recipients = recipients_};
  send_with(*worker.peer->channel, deliver, body_fd);
  worker.jobs.insert(outgoing->number);
  return true;
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

bool Workers::hand_out_report(Worker& worker) {
  const auto outgoing = deliveries_.next_report();
  if (!outgoing) return false;
  const Message& message = *outgoing->message;
  open_for(worker, message.place.segment, message.place.nonce);
  ipc::MakeReport report{.job = outgoing->number,
                         .id = message.id,
                         .place = message.place,
                         .arrival = message.arrival,
                         .sender = message.sender,
                         .envelope_id = message.envelope_id,
                         .recipients = {}};
  for (const uint32_t index : outgoing->job->recipients) {
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
  worker.jobs.insert(outgoing->number);
  return true;
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
