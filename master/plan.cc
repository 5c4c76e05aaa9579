// What is to run.
#include "master/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "config/parameters.h"

namespace hikyaku::master {

namespace {

constexpr size_t kMostListeners = 30;      // of one service: they are passed in one frame
constexpr unsigned kDefaultProcesses = 1;  // an event loop serves very many connections
constexpr std::string_view kControlName = "master";

std::vector<WantedListener> internet_listeners(const config::Service& service, const config::Settings& settings) {
  std::vector<WantedListener> wanted;
  // Its rules (TLS and AUTH, or the accepted domains) are not there yet: open, it would be a relay like any other.
  const config::Parameter* key =
      service.name.starts_with('$') ? config::find_parameter(std::string_view(service.name).substr(1)) : nullptr;
  if (key != nullptr && !key->built) return wanted;
  const auto addresses = config::listening_addresses(service, settings);
  if (!addresses) return wanted;  // this is among the configuration's problems already
  for (const config::Endpoint& endpoint : *addresses)
    wanted.push_back({true, config::format_endpoint(endpoint), endpoint});
  return wanted;
}

std::string wrong_with(const config::Service& service, const ServicePlan& plan) {
  if (service.type == config::ServiceType::kUnix && plan.name.find('/') != std::string::npos)
    return "the name of a unix service cannot hold a slash";
  if (service.type == config::ServiceType::kUnix && plan.name == kControlName)
    return "this name is taken by the control socket of master itself";
  if (stays_over_reload(plan.program) && plan.processes > 1)
    return plan.program + " runs as one process (write 1 or -)";
  if (plan.listeners.size() > kMostListeners) return fmt::format("more than {} addresses", kMostListeners);
  return {};
}

}  // namespace

int rank_of(const std::string& program) {
  if (program == "cleanup") return 0;
  if (program == "qmgr") return 1;
  return program == "smtpd" ? 3 : 2;
}

bool stays_over_reload(const std::string& program) { return program == "cleanup" || program == "qmgr"; }

Plan make_plan(const config::Configuration& configuration) {
  Plan plan;
  std::set<std::string> names, writers;
  for (const config::Service& service : configuration.services) {
    ServicePlan one{service.short_name(), service.program, {}, service.process_limit.value_or(kDefaultProcesses), {}};
    one.processes = std::max(one.processes, 1u);
    if (service.type == config::ServiceType::kInet) {
      one.listeners = internet_listeners(service, configuration.settings);
      if (one.listeners.empty()) continue;
    } else {
      one.listeners.push_back({false, "private/" + one.name, {}});
    }
    std::string wrong = wrong_with(service, one);
    if (wrong.empty() && !names.insert(one.name).second) wrong = "this name is taken by another service";
    if (wrong.empty() && stays_over_reload(one.program) && !writers.insert(one.program).second)
      wrong = "there can be only one " + one.program;
    if (!wrong.empty()) plan.problems.push_back({service.place, fmt::format("service {}: {}", one.name, wrong)});
    one.settings = configuration.settings_of(service).to_snapshot();
    plan.services.push_back(std::move(one));
  }
  std::ranges::stable_sort(plan.services, {}, [](const ServicePlan& one) { return rank_of(one.program); });
  return plan;
}

std::vector<std::string> keys_that_need_restart(const config::Settings& before, const config::Settings& after) {
  std::vector<std::string> keys;
  for (const config::Parameter& parameter : config::parameters()) {
    const std::string name(parameter.name);
    if (parameter.needs_restart && before.text(name) != after.text(name)) keys.push_back(name);
  }
  return keys;
}

}  // namespace hikyaku::master
