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
      qmgr_(context.loop(), kQmgrSocket, ipc::hello_of(ipc::Role::kBounce),
            {.up = [this](ipc::Channel& channel) { qmgr_up(channel); },
             .frame = [this](ipc::Channel&, ipc::Frame& frame) { return on_qmgr_frame(frame); },
             .down = [this](const std::string&) { qmgr_down(); }}),
      cleanup_(context.loop(), kCleanupSocket, ipc::hello_of(ipc::Role::kBounce),
               {.up = [this](ipc::Channel&) { submit_waiting(); },
                .frame = [this](ipc::Channel&, ipc::Frame& frame) { return on_cleanup_frame(frame); },
                .down = [this](const std::string&) { cleanup_down(); }}) {}

// ---- qmgr --------------------------------------------------------------------------------------------------------

void Reporter::qmgr_up(ipc::Channel& channel) { channel.send(ipc::Available{draining_ ? 0 : kSlots, {}}); }

// The next qmgr asks again for every report that is due. What cleanup already has may be stored, so that is kept, and
// is the answer to the new question.
void Reporter::qmgr_down() {
  context_.logger().warning("connection to qmgr lost");
  std::erase_if(jobs_, [](const auto& each) { return !each.second->submitted; });
  for (auto& [number, job] : jobs_) job->of_former_qmgr = true;
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
  return ipc::dispatch<ipc::CloseSegment>(frame,
                                          [this](const ipc::CloseSegment& closed) { segments_.erase(closed.segment); });
}

bool Reporter::on_make_report(ipc::Frame& frame) {
  auto job = std::make_unique<Job>();
  job->frame = frame.payload;
  if (!ipc::decode_all(job->frame, job->ask) || job->ask.recipients.empty()) return false;
  if (!frame.descriptors.empty()) job->body = std::move(frame.descriptors.front());
  job->subject = subject_of(job->ask);
  if (draining_) {
    give_back(*job, "draining");
  } else if (job->ask.sender.empty()) {
    // RFC 5321 section 6.1: qmgr knows; but a report on a report could go round for ever.
    give_back(*job, "the null sender gets no reports");
  } else if (const auto report = stored_.find(job->subject)) {
    answer_stored(*job, *report);
  } else {
    const auto same =
        std::ranges::find_if(jobs_, [&](const auto& each) { return each.second->subject == job->subject; });
    if (same != jobs_.end()) {
      job->submitted = same->second->submitted;
      same->second = std::move(job);
      return true;
    }
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
  context_.logger().record(log::ReportMade{job->ask.id, stored.id});
  stored_.add(job->subject, stored.id);
  answer_stored(*job, stored.id);
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

// What was on its way may have been stored or not: it is sent again. Two reports are better than none.
void Reporter::cleanup_down() {
  context_.logger().warning("connection to cleanup lost");
  for (auto& [number, job] : jobs_) job->submitted = false;
  if (draining_) stop_taking();
}

// ---- answers -----------------------------------------------------------------------------------------------------

void Reporter::answer_stored(const Job& job, queue::QueueId report) {
  ipc::Channel* channel = qmgr_.channel();
  if (channel != nullptr && !job.of_former_qmgr) channel->send(ipc::ReportStored{job.ask.job, job.ask.id, report});
}

void Reporter::give_back(const Job& job, std::string_view reason) {
  ipc::Channel* channel = qmgr_.channel();
  if (channel != nullptr && !job.of_former_qmgr) channel->send(ipc::Returned{job.ask.job, job.ask.id, reason});
}

void Reporter::drain(event::Duration) { stop_taking(); }

void Reporter::stop_taking() {
  if (!std::exchange(draining_, true))
    if (ipc::Channel* channel = qmgr_.channel()) channel->send(ipc::Available{0, {}});
  for (const auto& [number, job] : jobs_)
    if (!job->submitted) give_back(*job, "draining");
  std::erase_if(jobs_, [](const auto& each) { return !each.second->submitted; });
  finish_if_done();
}

void Reporter::finish_if_done() {
  if (draining_ && jobs_.empty()) context_.finish();
}

}  // namespace hikyaku::bounce
