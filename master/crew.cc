// All service processes.
#include "master/crew.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "os/program_path.h"
#include "util/error.h"

namespace hikyaku::master {

namespace {

using std::chrono::milliseconds;

// How long sessions and deliveries of a replaced generation may go on: as long as SMTP lets a peer take (RFC 5321
// section 4.5.3.2).
constexpr event::Duration kDrainAfterReload = std::chrono::minutes(10);
// When all is to stop, by rank: in all, with each child's grace, 10 s.
constexpr std::array<milliseconds, kRanks> kDrainAtStop = {milliseconds(1500), milliseconds(1500), milliseconds(2500),
                                                           milliseconds(2500)};

}  // namespace

uint64_t Crew::Group::restarts() const {
  uint64_t sum = restarts_before;
  for (const auto& child : children) sum += child->restarts();
  return sum;
}

std::unique_ptr<Crew::Group> Crew::make_group(ServicePlan plan) {
  auto group = std::make_unique<Group>();
  group->plan = std::move(plan);
  group->generation = generation_;
  const std::string& program = group->plan.program;
  // What is not there is told when it is to be executed.
  const std::string path = os::find_program(program).value_or(program);
  for (unsigned i = 0; i < group->plan.processes; ++i) {
    Child::Callbacks callbacks{[this, members = group.get()](ipc::Channel& channel) { introduce(*members, channel); },
                               changed_};
    group->children.push_back(std::make_unique<Child>(world_, program, path, std::move(callbacks)));
  }
  return group;
}

void Crew::introduce(const Group& group, ipc::Channel& channel) const {
  ipc::Start start{group.plan.name, group.plan.program, group.plan.settings, group.generation, bool(log_file_), {}};
  std::vector<int> descriptors;
  for (const WantedListener& listener : group.plan.listeners) {
    start.listeners.push_back({listener.internet, listener.address});
    descriptors.push_back(listeners_.fd_of(listener));
  }
  if (log_file_) descriptors.push_back(log_file_.get());
  channel.send(start, descriptors);
}

template <class Visitor>
void Crew::each_child(Visitor&& visit) const {
  for (const auto* list : {&groups_, &fresh_, &retired_})
    for (const auto& group : *list)
      for (const auto& child : group->children) visit(*child);
}

bool Crew::find_failure(const Groups& groups) {
  for (const auto& group : groups) {
    for (const auto& child : group->children) {
      if (!child->failure()) continue;
      failure_ = *child->failure();
      if (failure_.exit_code == 0) failure_.exit_code = util::kExitSoftware;
      failure_.reason = fmt::format("service {}: {}", group->plan.name, failure_.reason);
      return true;
    }
  }
  return false;
}

bool Crew::all_run(const Groups& groups) {
  return std::ranges::all_of(groups, [](const auto& group) {
    return std::ranges::all_of(group->children, [](const auto& child) { return child->state() == State::kRunning; });
  });
}

bool Crew::reaped(pid_t pid, int status) {
  bool ours = false;
  each_child([&](Child& child) { ours = ours || child.reaped(pid, status); });
  return ours;
}

void Crew::forget_ended() {
  std::erase_if(retired_, [](const auto& group) {
    return std::ranges::all_of(group->children, [](const auto& child) { return child->state() == State::kDown; });
  });
}

// ---- start -------------------------------------------------------------------------------------------------------

void Crew::begin_start(std::vector<ServicePlan> plan) {
  ++generation_;
  for (ServicePlan& service : plan) groups_.push_back(make_group(std::move(service)));
  rank_ = -1;
  changed_();
}

Progress Crew::advance_start() {
  if (find_failure(groups_)) return Progress::kFailed;
  while (true) {
    for (const auto& group : groups_) {
      if (rank_of(group->plan.program) != rank_) continue;
      for (const auto& child : group->children)
        if (child->state() != State::kRunning) return Progress::kUnderWay;
    }
    if (++rank_ == kRanks) return Progress::kDone;
    for (const auto& group : groups_)
      if (rank_of(group->plan.program) == rank_)
        for (const auto& child : group->children) child->start();
  }
}

std::string Crew::not_ready() const {
  std::string names;
  for (const auto& group : groups_)
    if (std::ranges::any_of(group->children, [](const auto& child) { return child->state() != State::kRunning; }))
      names += (names.empty() ? "" : ", ") + group->plan.name;
  return names;
}

// ---- change ------------------------------------------------------------------------------------------------------

void Crew::begin_change(std::vector<ServicePlan> plan) {
  ++generation_;
  changing_ = true;
  switched_ = false;
  wanted_ = std::move(plan);
  for (const ServicePlan& service : wanted_) {
    const bool stays = stays_over_reload(service.program) && std::ranges::any_of(groups_, [&](const auto& group) {
                         return group->plan.name == service.name;
                       });
    if (!stays) fresh_.push_back(make_group(service));
  }
  for (const auto& group : fresh_)
    for (const auto& child : group->children) child->start();
  changed_();
}

Progress Crew::advance_change() {
  if (!switched_) {
    if (find_failure(fresh_)) {
      dismiss_fresh();
      return Progress::kFailed;
    }
    if (!all_run(fresh_)) return Progress::kUnderWay;
    switch_over();
  }
  for (const auto& group : groups_)
    for (const auto& child : group->children)
      if (child->ready_generation() != group->generation) return Progress::kUnderWay;
  changing_ = false;
  return Progress::kDone;
}

Progress Crew::give_up_change() {
  if (!switched_) {
    failure_ = {"the new processes do not become ready", util::kExitTryAgain};
    dismiss_fresh();
    return Progress::kFailed;
  }
  changing_ = false;
  return Progress::kDone;
}

void Crew::dismiss_fresh() {
  changing_ = false;
  for (auto& group : fresh_) {
    for (const auto& child : group->children) child->kill();
    retired_.push_back(std::move(group));
  }
  fresh_.clear();
}

void Crew::switch_over() {
  switched_ = true;
  Groups now;
  for (ServicePlan& service : wanted_) {
    const auto same_name = [&](const auto& group) { return group && group->plan.name == service.name; };
    const auto fresh = std::ranges::find_if(fresh_, same_name);
    const auto old = std::ranges::find_if(groups_, same_name);
    if (fresh != fresh_.end()) {
      if (old != groups_.end()) (*fresh)->restarts_before = (*old)->restarts();
      now.push_back(std::move(*fresh));
      continue;
    }
    now.push_back(std::move(*old));
    Group& group = *now.back();
    group.plan = std::move(service);
    group.generation = generation_;
    for (const auto& child : group.children)
      child->reload({group.plan.settings, generation_, bool(log_file_)}, log_file_.get());
  }
  for (auto& group : groups_) {
    if (!group) continue;
    for (const auto& child : group->children) child->drain(kDrainAfterReload);
    retired_.push_back(std::move(group));
  }
  fresh_.clear();
  groups_ = std::move(now);
}

// ---- stop --------------------------------------------------------------------------------------------------------

void Crew::begin_stop() {
  dismiss_fresh();
  rank_ = kRanks;
  changed_();
}

Progress Crew::advance_stop() {
  while (true) {
    bool ended = true;
    for (const auto* list : {&groups_, &retired_})
      for (const auto& group : *list)
        if (rank_of(group->plan.program) >= rank_)
          for (const auto& child : group->children) ended = ended && child->state() == State::kDown;
    if (!ended) return Progress::kUnderWay;
    if (rank_ == 0) return Progress::kDone;
    --rank_;
    for (const auto* list : {&groups_, &retired_})
      for (const auto& group : *list)
        if (rank_of(group->plan.program) == rank_)
          for (const auto& child : group->children) child->drain(kDrainAtStop[static_cast<size_t>(rank_)]);
  }
}

void Crew::kill_all() {
  dismiss_fresh();
  rank_ = 0;
  each_child([](Child& child) { child.kill(); });
}

// ---- status ------------------------------------------------------------------------------------------------------

std::vector<ipc::ServiceStatus> Crew::status() const {
  std::vector<ipc::ServiceStatus> all;
  for (const auto& group : groups_) {
    // Of several processes, the one that is worst off.
    State state = State::kRunning;
    ipc::ServiceStatus one{group->plan.name, {}, {}, group->restarts()};
    for (const auto& child : group->children) {
      if (child->state() != State::kRunning) state = child->state();
      if (child->pid() > 0) one.pids.push_back(child->pid());
    }
    for (const auto& old : retired_)
      for (const auto& child : old->children)
        if (old->plan.name == one.name && child->pid() > 0) one.pids.push_back(child->pid());
    one.state = name_of(state);
    all.push_back(std::move(one));
  }
  return all;
}

}  // namespace hikyaku::master
