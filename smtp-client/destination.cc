// One next hop.
#include "smtp-client/destination.h"

#include <algorithm>
#include <utility>

#include "os/clock.h"
#include "smtp-client/verdict.h"

namespace hikyaku::smtp_client {

namespace {

// After a failure to open one more, while others work.
constexpr auto kPauseAfterFailure = std::chrono::seconds(1);

}  // namespace

Destination::Destination(const Config& config, JobSink& sink, DestinationKeeper& keeper, std::string host,
                         uint16_t port, bool no_mx)
    : config_(config), sink_(sink), keeper_(keeper), host_(std::move(host)), port_(port), no_mx_(no_mx) {}

void Destination::add(std::unique_ptr<Job> job) {
  waiting_.push_back(std::move(job));
  hand_out();
}

void Destination::look_again() {
  if (!waiting_.empty()) hand_out();
}

// ---- jobs to connections -----------------------------------------------------------------------------------------

std::unique_ptr<Job> Destination::next_job() {
  std::unique_ptr<Job> job = std::move(waiting_.front());
  waiting_.pop_front();
  return job;
}

void Destination::hand_out() {
  while (!waiting_.empty() && !free_.empty()) {
    freedoms_.clear();
    for (const Carrier* each : free_) freedoms_.push_back(each->idle() ? Freedom::kIdle : Freedom::kFinishing);
    const size_t chosen = connection_for_job(freedoms_, connections_.size(), config_.connections_per_destination);
    if (chosen == kNone) break;
    Carrier* connection = free_[chosen];
    free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(chosen));
    connection->start(next_job());
  }
  if (!waiting_.empty()) open_more();
}

void Destination::ready(Carrier& connection) {
  if (waiting_.empty())
    free_.push_back(&connection);
  else
    connection.start(next_job());
}

void Destination::became_idle(Carrier& connection) {
  if (waiting_.empty())
    keeper_.connection_idle();
  else if (std::ranges::find(free_, &connection) != free_.end())
    hand_out();
}

void Destination::give_back(std::unique_ptr<Job> job) {
  if (draining_) return sink_.returned(std::move(job), "draining");
  waiting_.push_front(std::move(job));
}

// ---- opening -----------------------------------------------------------------------------------------------------

// Counted anew each time: a number kept beside the connections would have to be right on each way a connection can end.
size_t Destination::opening() const {
  return static_cast<size_t>(std::ranges::count_if(connections_, [](const auto& each) { return !each->is_open(); }));
}

size_t Destination::wanted() const {
  if (waiting_.empty() || draining_) return 0;
  const auto waited = os::monotonic_now() - waiting_.front()->received;
  return connections_to_open({.waiting = waiting_.size(),
                              .opening = opening(),
                              .connections = connections_.size(),
                              .limit = config_.connections_per_destination,
                              .longest_wait = std::chrono::duration_cast<event::Duration>(waited)});
}

void Destination::open_more() {
  if (looking_up_) return;
  if (wanted() == 0 || (!connections_.empty() && os::monotonic_now() < open_not_before_)) return keeper_.look_soon();
  looking_up_ = true;
  keeper_.look_up(host_, no_mx_, [this](const Resolver::Answer& answer) { found(answer); });
}

void Destination::found(const Resolver::Answer& answer) {
  looking_up_ = false;
  if (answer) return open(wanted(), *answer);
  if (!connections_.empty()) return could_not_open();
  fail_waiting("none", {}, [&](const Job& job) { return not_found(host_, answer.error(), job); });
}

void Destination::open(size_t count, const std::vector<net::Address>& addresses) {
  // One that fails at once takes the jobs with it.
  for (; count > 0 && !waiting_.empty(); --count)
    connections_.emplace_back(keeper_.make_connection(*this, host_, port_, addresses))->open();
  if (waiting_.empty()) keeper_.tidy_soon();
}

void Destination::could_not_open() {
  open_not_before_ = os::monotonic_now() + kPauseAfterFailure;
  if (!waiting_.empty()) keeper_.look_soon();
}

void Destination::not_opened(Carrier& connection, const Verdict& verdict, std::string_view relay) {
  const std::string tried(relay);
  const auto connecting = std::chrono::duration_cast<event::Duration>(os::monotonic_now() - connection.begun());
  keeper_.bury(remove(connection));
  // As long as others are there or on their way, the jobs wait for them.
  if (!connections_.empty()) return could_not_open();
  fail_waiting(tried, connecting, [&](const Job&) { return verdict; });
}

template <class VerdictOf>
void Destination::fail_waiting(std::string_view relay, event::Duration connecting, VerdictOf&& verdict_of) {
  AttemptFacts facts;
  facts.relay = relay;
  facts.begun = os::monotonic_now();
  for (auto jobs = std::exchange(waiting_, {}); auto& job : jobs) {
    facts.connecting = std::min(connecting, std::chrono::duration_cast<event::Duration>(facts.begun - job->received));
    const Verdict verdict = verdict_of(*job);
    sink_.finished(std::move(job), facts, {verdict});
  }
  keeper_.tidy_soon();
}

// ---- ending ------------------------------------------------------------------------------------------------------

std::unique_ptr<Carrier> Destination::remove(Carrier& connection) {
  std::erase(free_, &connection);
  for (auto* list : {&connections_, &leaving_}) {
    const auto found = std::ranges::find(*list, &connection, &std::unique_ptr<Carrier>::get);
    if (found == list->end()) continue;
    std::unique_ptr<Carrier> removed = std::move(*found);
    list->erase(found);
    return removed;
  }
  return nullptr;
}

void Destination::closed(Carrier& connection) {
  keeper_.bury(remove(connection));
  if (!waiting_.empty()) hand_out();
}

void Destination::retire(Carrier& connection) {
  leaving_.push_back(remove(connection));
  connection.quit();
}

void Destination::return_waiting(std::string_view reason) {
  for (auto jobs = std::exchange(waiting_, {}); auto& job : jobs) sink_.returned(std::move(job), reason);
  keeper_.tidy_soon();
}

void Destination::drain() {
  draining_ = true;
  return_waiting("draining");
  free_.clear();
  std::vector<Carrier*> all;
  for (const auto& each : connections_) all.push_back(each.get());
  for (Carrier* each : all) each->quit();
}

}  // namespace hikyaku::smtp_client
