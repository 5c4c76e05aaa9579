// Looks up the addresses of a next hop's name (A and AAAA) without holding up the loop: each lookup runs in a thread of
// its own and hands its answer back over a socket pair.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "event/loop.h"
#include "net/address.h"
#include "os/unique_fd.h"
#include "util/error.h"

namespace hikyaku::smtp_client {

class Resolver {
 public:
  // In the order in which they are to be tried; the port is 0. The error is permanent when the name does not exist or
  // has no address.
  using Answer = util::Result<std::vector<net::Address>>;
  using Done = std::function<void(const Answer&)>;

  // `family`: AF_UNSPEC for both, or the only one wanted.
  Resolver(event::Loop& loop, int family);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // Calls `done` in a later turn, or at once when the answer is known: numbers in brackets or without, or a name that
  // was found in the last minute. `no_mx`: the name is a host; otherwise a mail domain, whose MX records will come
  // first once they are looked up; today both are treated as hosts.
  void look_up(const std::string& name, bool no_mx, Done done);

 private:
  struct Known {
    std::vector<net::Address> addresses;
    event::Monotonic until;
  };

  void start_thread(const std::string& name);
  void answers_ready();
  void answered(const std::string& name, const Answer& answer);

  int family_;
  // A pair: each thread writes to a duplicate of the first. In this order, because making the second makes both.
  os::UniqueFd threads_end_, answers_;
  event::Watch readable_;
  std::unordered_map<std::string, Known> known_;
  std::unordered_map<std::string, std::vector<Done>> asked_;
  std::deque<std::string> waiting_;  // for a thread
  size_t threads_ = 0;
};

}  // namespace hikyaku::smtp_client
