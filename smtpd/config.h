// What smtpd is told by main.cf and its line of master.cf.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "config/settings.h"
#include "net/network_list.h"
#include "smtp/server_session.h"
#include "smtpd/client_counts.h"

namespace hikyaku::smtpd {

// Content up to here is gathered and handed over in one piece; of a bigger message, the body gets a file of its own
// (lib/queue/README.md, "Bodies"). The header must end before.
inline constexpr size_t kMostGathered = 256 << 10;

struct Config {
  smtp::ServerOptions session;  // all but what depends on the client
  std::string service;          // "relay", "submission" …
  net::NetworkList networks;    // who may relay (rows 13-16)
  std::chrono::milliseconds timeout{300000};
  uint64_t least_data_rate = 500;    // octets a second
  ClientLimits clients;              // of those outside `networks`
  bool needs_local_address = false;  // the Received header names it: a system call per connection
};

// Throws util::StartupError, with the place, for a network list that is none.
Config read_config(const config::Settings& settings, const std::string& service);

}  // namespace hikyaku::smtpd
