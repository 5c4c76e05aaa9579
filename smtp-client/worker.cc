// The daemon.
#include "smtp-client/worker.h"

#include <fmt/format.h>

#include <algorithm>

#include "os/clock.h"

namespace hikyaku::smtp_client {

namespace {

constexpr char kQmgrSocket[] = "private/qmgr";

std::string_view name_of(ipc::Outcome outcome) {
  switch (outcome) {
    case ipc::Outcome::kSent:
      return "sent";
    case ipc::Outcome::kBounced:
      return "bounced";
    case ipc::Outcome::kDeferred:
      break;
  }
  return "deferred";
}

// One verdict can stand for all recipients.
const Verdict& verdict_for(size_t index, const std::vector<Verdict>& verdicts) {
  return verdicts[std::min(index, verdicts.size() - 1)];
}

}  // namespace

Worker::Worker(service::Context& context, Config config)
    : context_(context),
      config_(std::move(config)),
      pool_({context.loop(), config_, segments_, context.logger(), *this}),
      qmgr_(context.loop(), kQmgrSocket, hello_,
            {.up = [this](ipc::Channel& channel) { qmgr_up(channel); },
             .frame = [this](ipc::Channel&, ipc::Frame& frame) { return on_frame(frame); },
             .down = [this](const std::string&) { qmgr_down(); }}),
      finish_(context.loop(), [this] { finish_if_done(); }) {}

// ---- qmgr --------------------------------------------------------------------------------------------------------

// What is running, and what ended without the word reaching a journal, is named first: so that no other worker gets it
// meanwhile.
void Worker::qmgr_up(ipc::Channel& channel) {
  ipc::Available available;
  available.slots = draining_ ? 0 : config_.slots();
  available.in_hand = held_.subjects();
  for (const auto& [number, job] : in_hand_) {
    ipc::InHand& entry = available.in_hand.emplace_back(ipc::InHand{job->deliver.id, {}, job->deliver.job});
    for (const ipc::JobRecipient& recipient : job->deliver.recipients) entry.recipients.push_back(recipient.index);
  }
  channel.send(available);
  held_.each([&](const ipc::Results& results) { channel.send(results); });
}

// The next qmgr schedules all that has not begun; what runs goes on and is reported to it.
void Worker::qmgr_down() {
  context_.logger().warning("connection to qmgr lost");
  pool_.return_waiting("qmgr is gone");
}

bool Worker::on_frame(ipc::Frame& frame) {
  if (frame.type == ipc::Deliver::kType) return on_deliver(frame);
  if (frame.type == ipc::OpenSegment::kType) {
    ipc::OpenSegment open;
    if (!ipc::decode_all(frame.payload, open) || frame.descriptors.size() != 1) return false;
    segments_.open(open.segment, open.nonce, std::move(frame.descriptors.front()));
    return true;
  }
  bool accepted = true;
  return ipc::dispatch<ipc::CloseSegment, ipc::Recorded>(frame,
                                                         [&]<class Message>(const Message& message) {
                                                           if constexpr (std::same_as<Message, ipc::CloseSegment>)
                                                             segments_.close(message.segment);
                                                           else
                                                             accepted = on_recorded(message);
                                                         }) &&
         accepted;
}

bool Worker::on_deliver(ipc::Frame& frame) {
  auto job = Job::from_frame(frame.payload, ++last_number_, os::monotonic_now());
  if (!job) return false;
  if (job->deliver.place.has_body() && !frame.descriptors.empty()) job->body = std::move(frame.descriptors.front());
  const int64_t now = os::wall_now().time_since_epoch().count();
  job->waited_before = event::Duration(std::max<int64_t>(now - job->deliver.queued, 0));
  in_hand_[job->number] = job.get();
  if (draining_) {
    returned(std::move(job), "draining");
  } else if (segments_.descriptor(job->deliver.place) < 0) {
    const std::string reason = fmt::format("segment {} is not open", job->deliver.place.segment);
    returned(std::move(job), reason);
  } else if (job->deliver.place.has_body() && !job->body) {
    returned(std::move(job), "its body is not open");
  } else {
    pool_.deliver(std::move(job));
  }
  return true;
}

bool Worker::on_recorded(const ipc::Recorded& recorded) {
  if (!held_.recorded(recorded.number)) return false;
  if (draining_) finish_.schedule();
  return true;
}

// ---- answers -----------------------------------------------------------------------------------------------------

void Worker::finished(std::unique_ptr<Job> job, const AttemptFacts& facts, const std::vector<Verdict>& verdicts) {
  in_hand_.erase(job->number);
  const auto& recipients = job->deliver.recipients;
  for (size_t i = 0; i < recipients.size(); ++i) log_attempt(*job, facts, recipients[i], verdict_for(i, verdicts));
  tell_result(*job, facts, verdicts);
  if (draining_) finish_.schedule();
}

void Worker::tell_result(const Job& job, const AttemptFacts& facts, const std::vector<Verdict>& verdicts) {
  ipc::Results results;
  results.job = job.deliver.job;
  results.id = job.deliver.id;
  results.in_doubt = facts.in_doubt;
  results.passed_on = facts.passed_on;
  results.recipients.reserve(job.deliver.recipients.size());
  for (size_t i = 0; i < job.deliver.recipients.size(); ++i) {
    const Verdict& verdict = verdict_for(i, verdicts);
    results.recipients.push_back(
        {job.deliver.recipients[i].index, verdict.outcome, verdict.status, verdict.remote_mta, verdict.text});
  }
  held_.add(results);
  if (ipc::Channel* channel = qmgr_.channel()) channel->send(results);
}

// `delays`: before qmgr took it up for this attempt, waiting here and there, setting up the connection, transmitting.
void Worker::log_attempt(const Job& job, const AttemptFacts& facts, const ipc::JobRecipient& recipient,
                         const Verdict& verdict) {
  const event::Duration before_queue(job.deliver.queued - job.deliver.arrival);
  const auto waited = std::chrono::duration_cast<event::Duration>(facts.begun - job.received);
  context_.logger().record(log::Attempt{.id = job.deliver.id,
                                        .recipient = recipient.address,
                                        .relay = std::string(facts.relay),
                                        .connection_uses = facts.connection_uses,
                                        .before_queue = before_queue,
                                        .in_queue = job.waited_before + waited - facts.connecting,
                                        .connecting = facts.connecting,
                                        .transmitting = os::monotonic_now() - facts.begun,
                                        .status_code = verdict.status,
                                        .outcome = name_of(verdict.outcome),
                                        .reply = verdict.text});
}

void Worker::returned(std::unique_ptr<Job> job, std::string_view reason) {
  in_hand_.erase(job->number);
  if (ipc::Channel* channel = qmgr_.channel()) channel->send(ipc::Returned{job->deliver.job, job->deliver.id, reason});
  if (draining_) finish_.schedule();
}

// ---- the end -----------------------------------------------------------------------------------------------------

void Worker::drain(event::Duration) {
  draining_ = true;
  if (ipc::Channel* channel = qmgr_.channel()) channel->send(ipc::Available{0, {}});
  pool_.drain();
  finish_.schedule();
}

void Worker::finish_if_done() {
  if (!draining_ || !in_hand_.empty() || !held_.empty()) return;
  presence_.leave();
  context_.finish();
}

}  // namespace hikyaku::smtp_client
