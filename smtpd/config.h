// What smtpd is told by main.cf and its line of master.cf.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "config/settings.h"
#include "net/network_list.h"
#include "smtp/server_session.h"

namespace hikyaku::smtpd {

struct Config {
  smtp::ServerOptions session;  // all but what depends on the client
  std::string service;          // "relay", "submission" …
  net::NetworkList networks;    // who may relay (rows 13-16)
  std::chrono::milliseconds timeout{300000};
  bool needs_local_address = false;  // the Received header names it: a system call per connection
};

// Throws util::StartupError, with the place, for a network list that is none.
Config read_config(const config::Settings& settings, const std::string& service);

}  // namespace hikyaku::smtpd
