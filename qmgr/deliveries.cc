// The course of every message through its attempts.
#include "qmgr/deliveries.h"

#include <algorithm>

#include "os/clock.h"

namespace hikyaku::qmgr {

namespace {

// What is remembered of a reply, bytes: it is in memory, in the journal, in listings and in reports, for each
// recipient.
constexpr size_t kLongestReply = 1024;
constexpr size_t kWakesPerTurn = 10000;  // a wave of retries comes in pieces: new mail is looked at in between

// Who waits longer than this rests: the index is not worth its cost for less.
constexpr int64_t kShortWait = 2;         // seconds
constexpr size_t kMostInMemory = 100000;  // messages: no more are loaded
constexpr size_t kLoadedAtOnce = 1000;

// Its class agrees with the outcome, whatever a worker says: by it a report tells what became of the message.
std::string status_of(const ipc::RecipientResult& result) {
  const char kind = result.outcome == ipc::Outcome::kSent ? '2' : result.outcome == ipc::Outcome::kBounced ? '5' : '4';
  return result.status.starts_with(kind) ? std::string(result.status) : std::string(1, kind) + ".0.0";
}

}  // namespace

Deliveries::Deliveries(Ledger& ledger, log::Logger& logger, Config config)
    : ledger_(ledger),
      logger_(logger),
      config_(std::move(config)),
      scheduler_(config_.window),
      last_job_(static_cast<uint64_t>(os::wall_now().time_since_epoch().count())) {
  if (config_.relayhost) relay_ = &scheduler_.destination(*config_.relayhost);
}

void Deliveries::set_config(Config config) {
  config_ = std::move(config);
  scheduler_.set_rule(config_.window);
  relay_ = config_.relayhost ? &scheduler_.destination(*config_.relayhost) : nullptr;
}

// ---- into the lanes ----------------------------------------------------------------------------------------------

void Deliveries::admit(Message& message, Time now) {
  std::vector<uint32_t> ready;
  bool tried = false;
  for (uint32_t index = 0; index < message.recipients.size(); ++index) {
    const RecipientState& state = message.recipients[index];
    tried = tried || state.attempts > 0;
    if (state.step == Step::kReady) ready.push_back(index);
  }
  bound_waits(message, now);
  if (!ready.empty() && !message.held) {
    const Lane lane = tried ? Lane::kRetry : Lane::kFirst;
    if (ready.size() == message.recipients.size() && is_crowded(message, lane)) {
      forget_wake(message);
      return ledger_.rest(message);
    }
    logger_.record(log::QueueActive{message.id, message.sender, message.size(), message.recipients.size()});
    make_ready(message, ready, lane, now);
  }
  settle(message, now);
}

size_t Deliveries::most_in(Lane lane) const {
  return lane == Lane::kFirst ? config_.most_first_attempts : config_.most_retries;
}

// Whether its lane has enough without it.
bool Deliveries::is_crowded(const Message& message, Lane lane) const {
  if (scheduler_.waiting() < most_in(lane)) return false;
  if (relay_ != nullptr) return scheduler_.waiting(relay_->hop(), lane) >= most_in(lane);
  const auto hop = smtp::next_hop(std::nullopt, message.recipients.front().recipient.address);
  return hop && scheduler_.waiting(*hop, lane) >= most_in(lane);
}

Destination* Deliveries::destination_for(Message& message, uint32_t index) {
  if (relay_ != nullptr) return relay_;
  RecipientState& state = message.recipients[index];
  auto hop = smtp::next_hop(config_.relayhost, state.recipient.address);
  if (hop) return &scheduler_.destination(*hop);
  state.status = "5.1.3";
  state.reply = hop.error().text;
  logger_.record(log::Attempt{.id = message.id,
                              .recipient = state.recipient.address,
                              .relay = "none",
                              .status_code = state.status,
                              .outcome = "bounced",
                              .reply = state.reply});
  ledger_.failed(message, index, false);
  return nullptr;
}

// One task for each next hop, of at most so many recipients as one transaction may have.
void Deliveries::make_ready(Message& message, const std::vector<uint32_t>& recipients, Lane lane, Time now) {
  ledger_.stay(message);
  message.ready_since = now.time_since_epoch().count();
  std::vector<std::pair<Destination*, Task>> tasks;
  for (const uint32_t index : recipients) {
    Destination* destination = destination_for(message, index);
    if (destination == nullptr) continue;
    message.recipients[index].step = Step::kReady;
    const auto open = std::find_if(tasks.begin(), tasks.end(), [&](const auto& task) {
      return task.first == destination && task.second.recipients.size() < config_.recipients_each;
    });
    if (open != tasks.end())
      open->second.recipients.push_back(index);
    else
      tasks.push_back({destination, Task{message.id, {index}, lane}});
  }
  if (message.deaths > 0 && !tasks.empty()) return suspects_[kDelivery].add(message.id);
  for (auto& [destination, task] : tasks) scheduler_.add(*destination, std::move(task));
}

void Deliveries::wait_until(Message& message, int64_t due) {
  if (due >= message.wake) return;
  forget_wake(message);
  message.wake = due;
  wakes_.insert({due, message.id.value});
}

void Deliveries::forget_wake(Message& message) {
  if (message.wake == Message::kNoWake) return;
  wakes_.erase({message.wake, message.id.value});
  message.wake = Message::kNoWake;
}

void Deliveries::wake(Time now) {
  scheduler_.forget_idle(relay_);
  const int64_t time = now.time_since_epoch().count();
  for (size_t n = 0; n < kWakesPerTurn && !wakes_.empty() && wakes_.begin()->first <= time; ++n) {
    Message& message = *ledger_.find(queue::QueueId{wakes_.begin()->second});
    forget_wake(message);
    if (!message.held) make_due_ready(message, now);
  }
}

util::Result<bool> Deliveries::load_due(Time now) {
  if (ledger_.messages().size() >= kMostInMemory) return false;
  const int64_t second = kept_second(now);
  const auto due = ledger_.load_due(second, kLoadedAtOnce, [this](const std::string& domain) { return room(domain); });
  if (!due) return std::unexpected(due.error());
  for (const queue::QueueId id : due->ids)
    if (Message* message = ledger_.find(id)) make_due_ready(*message, now);
  return due->more || !due->ids.empty();
}

// Few at a time are not worth the index's work: a lane is filled when half of it is empty.
queue::DueRoom Deliveries::room(const std::string& domain) const {
  const auto hop = smtp::next_hop(config_.relayhost, "postmaster@" + domain);
  if (!hop) return {kLoadedAtOnce, kLoadedAtOnce};  // none of it can go, and all of it is to be told so
  const auto room_in = [&](Lane lane) {
    const size_t waiting = scheduler_.waiting(*hop, lane);
    return waiting > most_in(lane) / 2 ? 0 : most_in(lane) - waiting;
  };
  return {room_in(Lane::kFirst), room_in(Lane::kRetry)};
}

void Deliveries::make_due_ready(Message& message, Time now) {
  const int64_t second = kept_second(now);
  std::vector<uint32_t> due;
  bool tried = false;
  for (uint32_t index = 0; index < message.recipients.size(); ++index) {
    const RecipientState& state = message.recipients[index];
    const bool is_due = (state.step == Step::kWaiting && state.next_attempt <= second) ||
                        (state.step == Step::kReady && !message.is_in_lane());
    if (!is_due) continue;
    due.push_back(index);
    tried = tried || state.attempts > 0;
  }
  if (!due.empty()) {
    logger_.record(log::QueueActive{message.id, message.sender, message.size(), message.recipients.size()});
    make_ready(message, due, tried ? Lane::kRetry : Lane::kFirst, now);
  }
  settle(message, now);
}

// ---- handing out -------------------------------------------------------------------------------------------------

std::optional<Deliveries::Outgoing> Deliveries::next_delivery() {
  while (auto pick = scheduler_.next()) {
    Message* message = ledger_.find(pick->task.id);
    // Since the task was made the message may have been deleted or held, or been found in a worker's hand; or a worker
    // died with others of its recipients, and they all wait for their trial.
    if (message != nullptr)
      std::erase_if(pick->task.recipients, [&](uint32_t index) {
        return message->held || message->deaths > 0 || message->recipients[index].step != Step::kReady;
      });
    if (message == nullptr || pick->task.recipients.empty()) {
      scheduler_.ended(*pick->destination, pick->task.lane, Scheduler::Ended::kNotTried);
      continue;
    }
    for (const uint32_t index : pick->task.recipients) message->recipients[index].step = Step::kInHand;
    const uint64_t number = ++last_job_;
    const auto [job, added] = jobs_.emplace(
        number, Job{message->id, std::move(pick->task.recipients), pick->destination, pick->task.lane, false, jumps_});
    return Outgoing{number, &job->second, message};
  }
  return std::nullopt;
}

std::optional<Deliveries::Outgoing> Deliveries::next_report() {
  while (!reports_.empty()) {
    Message* message = ledger_.find(reports_.front());
    reports_.pop_front();
    if (message == nullptr || message->deaths > 0) continue;
    if (auto outgoing = hand_out_report(*message)) return outgoing;
  }
  return std::nullopt;
}

std::optional<Deliveries::Outgoing> Deliveries::hand_out_report(Message& message) {
  if (!message.hold_reason.empty()) return std::nullopt;  // settle() comes again when it is released
  Job job{.id = message.id, .recipients = {}, .is_report = true};
  for (uint32_t index = 0; index < message.recipients.size(); ++index) {
    if (message.recipients[index].step != Step::kReportDue) continue;
    message.recipients[index].step = Step::kReporting;
    job.recipients.push_back(index);
  }
  if (job.recipients.empty()) return std::nullopt;
  const uint64_t number = ++last_job_;
  return Outgoing{number, &jobs_.emplace(number, std::move(job)).first->second, &message};
}

bool Deliveries::adopt(const ipc::InHand& in_hand, bool is_report) {
  Message* message = ledger_.load(in_hand.id);
  if (message == nullptr || in_hand.job == 0 || jobs_.contains(in_hand.job)) return false;
  Job job{.id = in_hand.id, .recipients = {}, .is_report = is_report};
  for (const uint32_t index : in_hand.recipients) {
    if (index >= message->recipients.size()) continue;
    RecipientState& state = message->recipients[index];
    const bool is_open =
        is_report ? state.step == Step::kReportDue : state.step == Step::kReady || state.step == Step::kWaiting;
    if (!is_open) continue;
    ledger_.stay(*message);
    state.step = is_report ? Step::kReporting : Step::kInHand;
    job.recipients.push_back(index);
  }
  // Numbers begin at the time of qmgr's start, so those of a former one are lower, unless the clock was set back.
  last_job_ = std::max(last_job_, in_hand.job);
  jobs_.emplace(in_hand.job, std::move(job));
  return true;
}

std::optional<Job> Deliveries::end_job(uint64_t number, Scheduler::Ended how) {
  const auto found = jobs_.find(number);
  if (found == jobs_.end()) return std::nullopt;
  Job job = std::move(found->second);
  jobs_.erase(found);
  if (job.destination != nullptr) scheduler_.ended(*job.destination, job.lane, how);
  suspects_[job.is_report].ended(number);
  return job;
}

// ---- what came of it -----------------------------------------------------------------------------------------------

void Deliveries::answered(const ipc::Results& results, Time now) {
  bool reached = false;
  for (const ipc::RecipientResult& result : results.recipients) reached = reached || !result.remote_mta.empty();
  const bool was_trial = suspects_[kDelivery].on_trial(results.job);
  const auto job = end_job(results.job, reached ? Scheduler::Ended::kAnswered : Scheduler::Ended::kUnreachable);
  if (Message* message = ledger_.load(results.id))  // else it was deleted meanwhile
    for (const ipc::RecipientResult& result : results.recipients)
      take_result(*message, result, {job && job->jumps == jumps_, results.passed_on}, now);
  // A recipient that the answer leaves out must not stay in a hand that holds nothing.
  if (job) take_back(*job, now);
  Message* message = ledger_.find(results.id);
  if (message != nullptr && was_trial) clear(*message, now);
  if (message != nullptr) settle(*message, now);
}

void Deliveries::take_result(Message& message, const ipc::RecipientResult& result, const Attempt& attempt, Time now) {
  if (result.index >= message.recipients.size()) return;
  RecipientState& state = message.recipients[result.index];
  // A result that was told twice, once to a former qmgr: what is done is never touched again.
  if (state.step == Step::kDone || state.step == Step::kReportDue || state.step == Step::kReporting) return;
  ++state.attempts;
  const bool sent = result.outcome == ipc::Outcome::kSent;
  const bool to_confirm = !attempt.passed_on && (state.recipient.notify & queue::kNotifySuccess) != 0;
  if (sent && !to_confirm) return ledger_.delivered(message, result.index);
  state.last_attempt = second_of(now);
  state.status = status_of(result);
  state.reply = result.text.substr(0, kLongestReply);
  state.remote_mta = result.remote_mta.substr(0, kLongestReply);
  if (sent) return ledger_.relayed(message, result.index);
  if (result.outcome == ipc::Outcome::kBounced) return ledger_.failed(message, result.index, false);
  plan_retry(message, result.index, now, attempt.since_jump);
}

void Deliveries::plan_retry(Message& message, uint32_t index, Time now, bool attempted_since_jump) {
  RecipientState& state = message.recipients[index];
  const RetryFacts facts{.now = now,
                         .queued = Time(std::chrono::microseconds(message.arrival)),
                         .retry = state.attempts,
                         .chance = std::generate_canonical<double, 32>(chance_),
                         .attempted_since_jump = attempted_since_jump};
  const auto next = next_attempt(config_.retry, facts);
  if (!next) return give_up(message, index, now);
  const int64_t second = kept_second(*next);
  ledger_.deferred(message, index, state.attempts, second);
  wait_until(message, next->time_since_epoch().count());
}

// Rows 36 and 40: the retry period is over, and the sender is told (C2: at once, not when the period has run out).
void Deliveries::give_up(Message& message, uint32_t index, Time now) {
  RecipientState& state = message.recipients[index];
  const auto age = now - Time(std::chrono::microseconds(message.arrival));
  logger_.record(log::Attempt{.id = message.id,
                              .recipient = state.recipient.address,
                              .relay = "none",
                              .before_queue = std::chrono::duration_cast<log::Seconds>(age),
                              .status_code = state.status,
                              .outcome = "expired",
                              .reply = "retry timeout, last reply: " + state.reply});
  ledger_.failed(message, index, true);
}

bool Deliveries::wants_report(const Message& message, const RecipientState& state) const {
  if (message.sender.empty()) return false;  // RFC 5321 section 4.5.5: no report on a report
  const uint8_t notify = state.recipient.notify;
  if (state.is_relayed()) return (notify & queue::kNotifySuccess) != 0;
  return notify == 0 || (notify & queue::kNotifyFailure) != 0;
}

// After a change: the sender is told of all of a message together, once nothing of it is on its way; a message
// whose recipients are all done is gone; and one that only waits may rest.
void Deliveries::settle(Message& message, Time now) {
  bool moving = false, report = false;
  int64_t next = INT64_MAX;
  for (uint32_t index = 0; index < message.recipients.size(); ++index) {
    const RecipientState& state = message.recipients[index];
    const bool in_lane = state.step == Step::kReady && message.is_in_lane();
    moving = moving || (in_lane && !message.held) || state.step == Step::kInHand || state.step == Step::kReporting;
    if (state.step == Step::kWaiting || (state.step == Step::kReady && !in_lane))
      next = std::min(next, state.next_attempt);
    if (state.step != Step::kReportDue) continue;
    if (wants_report(message, state))
      report = true;
    else
      ledger_.reported(message, {index});
  }
  if (message.is_done()) return remove(message);
  if (report && !moving) {
    if (message.deaths > 0)
      suspects_[kReport].add(message.id);
    else
      reports_.push_back(message.id);
  }
  const int64_t second = second_of(now);
  const bool long_wait = next > second + kShortWait && message.deaths == 0;  // that mark is in memory only
  if (!moving && !report && (message.held || long_wait)) {
    forget_wake(message);
    ledger_.rest(message);
  } else if (!message.held && next != INT64_MAX) {
    ledger_.stay(message);
    wait_until(message, std::min(next, second + (int64_t{1} << 32)) * 1'000'000);
  }
}

void Deliveries::remove(Message& message) {
  logger_.record(log::Removed{message.id});
  forget_wake(message);
  ledger_.complete(message);
}

void Deliveries::report_stored(uint64_t number, Time now) {
  const auto found = jobs_.find(number);
  if (found == jobs_.end() || !found->second.is_report) return;
  const auto job = end_job(number, Scheduler::Ended::kNotTried);
  reported({job->id, job->recipients}, now);
}

void Deliveries::reported(const queue::ReportOf& report, Time now) {
  Message* message = ledger_.find(report.id);
  if (message == nullptr || !ledger_.reported(*message, report.recipients)) return;
  message->deaths = 0;
  settle(*message, now);
}

void Deliveries::returned(uint64_t number, Time now) {
  if (const auto job = end_job(number, Scheduler::Ended::kNotTried)) take_back(*job, now);
}

// What was handed out and not answered is ready, or due, again.
void Deliveries::take_back(const Job& job, Time now) {
  Message* message = ledger_.find(job.id);
  if (message == nullptr) return;
  std::vector<uint32_t> mine;
  const Step was = job.is_report ? Step::kReporting : Step::kInHand;
  for (const uint32_t index : job.recipients) {
    if (message->recipients[index].step != was) continue;
    message->recipients[index].step = job.is_report ? Step::kReportDue : Step::kReady;
    mine.push_back(index);
  }
  if (mine.empty()) return;
  if (message->deaths > 0) return suspects_[job.is_report].add(job.id);
  if (job.is_report) return reports_.push_back(job.id);
  if (job.destination != nullptr) return scheduler_.put_back(*job.destination, Task{job.id, std::move(mine), job.lane});
  make_ready(*message, mine, job.lane, now);
  settle(*message, now);  // without the relay host that it was for, a recipient may have no next hop any more
}

}  // namespace hikyaku::qmgr
