// The listening sockets: bound once by master and kept, whatever happens to the daemons that accept from them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "master/plan.h"
#include "master/process.h"
#include "os/unique_fd.h"
#include "util/error.h"

namespace hikyaku::master {

class Listeners {
 public:
  // Which protocols `inet_protocols` allows.
  struct Protocols {
    bool ipv4 = true;
    bool ipv6 = true;
  };
  static Protocols protocols_of(const config::Settings& settings);

  Listeners(Protocols protocols, Owner owner) : protocols_(protocols), owner_(std::move(owner)) {}

  // Binds those of `plan` that are not bound yet. On failure what was bound stays, and nothing is added; the error
  // names the address. Unix sockets are made below the working directory.
  util::Result<void> bind_new(const std::vector<ServicePlan>& plan);
  // Closes those that `plan` does not have.
  void close_others(const std::vector<ServicePlan>& plan);
  // Bound before.
  int fd_of(const WantedListener& listener) const { return bound_.at(listener.address).get(); }

 private:
  util::Result<os::UniqueFd> bind(const WantedListener& listener) const;
  util::Result<os::UniqueFd> bind_internet(const config::Endpoint& endpoint) const;

  Protocols protocols_;
  Owner owner_;
  std::map<std::string, os::UniqueFd> bound_;  // by address; a path never looks like host:port
};

// A listening Unix socket at `path` that the daemons' user can connect to.
util::Result<os::UniqueFd> listen_for_owner(const std::string& path, const Owner& owner);

}  // namespace hikyaku::master
