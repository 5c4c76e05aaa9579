// What is to run, derived from the configuration: pure.
#pragma once

#include <string>
#include <vector>

#include "config/configuration.h"
#include "config/problem.h"
#include "config/values.h"

namespace hikyaku::master {

// A listening address of a service, and what it is called over a reload.
struct WantedListener {
  bool internet = true;
  std::string address;        // as configured; of a Unix socket its path below the queue directory
  config::Endpoint endpoint;  // internet only

  bool operator==(const WantedListener&) const = default;
};

struct ServicePlan {
  std::string name;      // "relay", "qmgr"
  std::string program;   // "smtpd"
  std::string settings;  // config::Settings::to_snapshot(), with the service's own
  unsigned processes = 1;
  std::vector<WantedListener> listeners;

  bool operator==(const ServicePlan&) const = default;
};

// Services that have nothing to listen on because their key is empty are left out. In the order of starting.
struct Plan {
  std::vector<ServicePlan> services;
  config::Problems problems;
};
Plan make_plan(const config::Configuration& configuration);

// Those that come first are needed by those that come later: started in this order, stopped in the reverse one.
inline constexpr int kRanks = 4;
int rank_of(const std::string& program);
// Over a reload the same process stays and takes the new settings: it holds a lock on what it writes.
bool stays_over_reload(const std::string& program);

// Keys that differ between the two and that only a stop and a start apply.
std::vector<std::string> keys_that_need_restart(const config::Settings& before, const config::Settings& after);

}  // namespace hikyaku::master
