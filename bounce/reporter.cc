// The daemon.
#include "bounce/reporter.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "os/clock.h"

namespace hikyaku::bounce {

namespace {

constexpr char kQmgrSocket[] = "private/qmgr";
constexpr char kCleanupSocket[] = "private/cleanup";
constexpr uint32_t kSlots = 20;
// Between attempts to store a report; it is never given up.
constexpr event::Duration kPause = std::chrono::seconds(5);

}  // namespace

Reporter::Reporter(service::Context& context, Config config)
    : context_(context),
      config_(std::move(config)),
      again_(context.loop(), [this] { submit_waiting(); }),
      qmgr_(context.loop(), kQmgrSocket, hello_,
            {.up = [this](ipc::Channel& channel) { qmgr_up(channel); },
             .frame = [this](ipc::Channel&, ipc::Frame& frame) { return on_qmgr_frame(frame); },
             .down = [this](const std::string&) { qmgr_down(); }}),
      cleanup_(context.loop(), kCleanupSocket, hello_,
               {.up = [this](ipc::Channel&) { cleanup_up(); },
                .frame = [this](ipc::Channel&, ipc::Frame& frame) { return on_cleanup_frame(frame); },
                .down = [this](const std::string&) { cleanup_down(); }}) {}

// ---- qmgr --------------------------------------------------------------------------------------------------------

// What cleanup has, and what it stored without the word reaching a journal, is named first: it is not asked for again.
void Reporter::qmgr_up(ipc::Channel& channel) {
  ipc::Available available;
  available.slots = slots();
  available.in_hand = held_.subjects();
  for (const auto& [number, job] : jobs_) {
    ipc::InHand& entry = available.in_hand.emplace_back(ipc::InHand{job->ask.id, {}, job->ask.job});
    for (const ipc::ReportedRecipient& one : job->ask.recipients) entry.recipients.push_back(one.index);
  }
  channel.send(available);
  held_.each([&](const ipc::ReportStored& stored) { channel.send(stored); });
}

// The next qmgr asks again for what has not begun. What cleanup already has may be stored, so that is kept.
void Reporter::qmgr_down() {
  context_.logger().warning("connection to qmgr lost");
  std::erase_if(jobs_, [](const auto& each) { return !each.second->submitted; });
  finish_if_done();
}

bool Reporter::on_qmgr_frame(ipc::Frame& frame) {
  if (frame.type == ipc::MakeReport::kType) return on_make_report(frame);
  if (frame.type == ipc::OpenSegment::kType) {
    ipc::OpenSegment open;
    if (!ipc::decode_all(frame.payload, open) || frame.descriptors.size() != 1) return false;
    segments_[open.segment] = {open.nonce, std::move(frame.descriptors.front())};
    return true;
  }
  bool accepted = true;
  return ipc::dispatch<ipc::CloseSegment, ipc::Recorded>(frame,
                                                         [&]<class Message>(const Message& message) {
                                                           if constexpr (std::same_as<Message, ipc::CloseSegment>)
                                                             segments_.erase(message.segment);
                                                           else
                                                             accepted = on_recorded(message);
                                                         }) &&
         accepted;
}

bool Reporter::on_recorded(const ipc::Recorded& recorded) {
  if (!held_.recorded(recorded.number)) return false;
  finish_if_done();
  return true;
}

bool Reporter::on_make_report(ipc::Frame& frame) {
  auto job = std::make_unique<Job>();
  job->frame = frame.payload;
  if (!ipc::decode_all(job->frame, job->ask) || job->ask.recipients.empty()) return false;
  if (!frame.descriptors.empty()) job->body = std::move(frame.descriptors.front());
  if (draining_) {
    give_back(*job, "draining");
  } else if (job->ask.sender.empty()) {
    // RFC 5321 section 6.1: qmgr knows; but a report on a report could go round for ever.
    give_back(*job, "the null sender gets no reports");
  } else {
    const uint64_t number = ++last_number_;
    Job& added = *(jobs_[number] = std::move(job));
    if (!submit(number, added) && !again_.armed()) again_.set(kPause);
  }
  return true;
}

// ---- cleanup -----------------------------------------------------------------------------------------------------

bool Reporter::submit(uint64_t number, Job& job) {
  ipc::Channel* channel = cleanup_.channel();
  if (channel == nullptr) return false;
  auto original = original_of(job);
  if (!original) {
    context_.logger().error(fmt::format("{}: report waits: {}", queue::to_text(job.ask.id), original.error().text));
    return false;
  }
  const int64_t now = os::wall_now().time_since_epoch().count();
  const Submission made = make_submission(config_, job.ask, *original, now, os::utc_offset(now));
  channel->send(ipc::Submit{number, made.flags, made.envelope, made.content});
  job.submitted = true;
  return true;
}

// A message that cannot be read any more is reported without its content: its sender must know, then most of all.
util::Result<Original> Reporter::original_of(const Job& job) {
  const ipc::MakeReport& ask = job.ask;
  const auto segment = segments_.find(ask.place.segment);
  if (segment == segments_.end() || segment->second.nonce != ask.place.nonce)
    return util::temporary(fmt::format("segment {} is not open", ask.place.segment));
  auto original = read_original(segment->second.fd.get(), job.body.get(), ask.id, ask.place, config_.size_limit);
  if (original || !original.error().permanent) return original;
  context_.logger().error(fmt::format("{}: {}", queue::to_text(ask.id), original.error().text));
  return Original{};
}

void Reporter::submit_waiting() {
  bool all = true;
  for (auto& [number, job] : jobs_)
    if (!job->submitted) all = submit(number, *job) && all;
  if (!all && !again_.armed()) again_.set(kPause);
}

bool Reporter::on_cleanup_frame(ipc::Frame& frame) {
  return ipc::dispatch<ipc::Stored, ipc::Refused>(frame, [this](const auto& message) { told(message); });
}

void Reporter::told(const ipc::Stored& stored) {
  const auto found = jobs_.find(stored.request);
  if (found == jobs_.end()) return;
  const std::unique_ptr<Job> job = std::move(found->second);
  jobs_.erase(found);
  const bool is_failure = std::ranges::any_of(
      job->ask.recipients, [](const ipc::ReportedRecipient& one) { return !one.status.starts_with('2'); });
  context_.logger().record(log::ReportMade{job->ask.id, stored.id, is_failure});
  tell_stored(*job, stored.id);
  finish_if_done();
}

void Reporter::told(const ipc::Refused& refused) {
  const auto found = jobs_.find(refused.request);
  if (found == jobs_.end()) return;
  Job& job = *found->second;
  job.submitted = false;
  context_.logger().warning(fmt::format("{}: report not stored, will be tried again: {} {} {}",
                                        queue::to_text(job.ask.id), refused.code, refused.enhanced, refused.text));
  if (draining_) {
    give_back(job, "draining");
    jobs_.erase(found);
    return finish_if_done();
  }
  if (!again_.armed()) again_.set(kPause);
}

uint32_t Reporter::slots() { return draining_ || cleanup_.channel() == nullptr ? 0 : kSlots; }

void Reporter::tell_slots() {
  if (ipc::Channel* channel = qmgr_.channel()) channel->send(ipc::Available{slots(), {}});
}

void Reporter::cleanup_up() {
  tell_slots();
  submit_waiting();
}

// What was on its way may have been stored or not. qmgr finds out: it reads the log to its end before it asks again.
void Reporter::cleanup_down() {
  context_.logger().warning("connection to cleanup lost");
  tell_slots();
  give_back_all("cleanup is away");
}

void Reporter::give_back_all(std::string_view reason) {
  for (const auto& [number, job] : jobs_) give_back(*job, reason);
  jobs_.clear();
  finish_if_done();
}

// ---- answers -----------------------------------------------------------------------------------------------------

void Reporter::tell_stored(const Job& job, queue::QueueId report) {
  ipc::ReportStored stored{.job = job.ask.job, .id = job.ask.id, .report = report, .recipients = {}};
  for (const ipc::ReportedRecipient& one : job.ask.recipients) stored.recipients.push_back(one.index);
  held_.add(stored);
  if (ipc::Channel* channel = qmgr_.channel()) channel->send(stored);
}

void Reporter::give_back(const Job& job, std::string_view reason) {
  if (ipc::Channel* channel = qmgr_.channel()) channel->send(ipc::Returned{job.ask.job, job.ask.id, reason});
}

void Reporter::drain(event::Duration) { stop_taking(); }

void Reporter::stop_taking() {
  if (!std::exchange(draining_, true)) tell_slots();
  for (const auto& [number, job] : jobs_)
    if (!job->submitted) give_back(*job, "draining");
  std::erase_if(jobs_, [](const auto& each) { return !each.second->submitted; });
  finish_if_done();
}

void Reporter::finish_if_done() {
  if (!draining_ || !jobs_.empty() || !held_.empty()) return;
  presence_.leave();
  context_.finish();
}

}  // namespace hikyaku::bounce
