// All destinations and the connections kept for reuse (rows 45-47, C19): a connection belongs to one next hop, host and
// port, and is never used for another.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "smtp-client/connection.h"
#include "smtp-client/destination.h"

namespace hikyaku::smtp_client {

class Pool final : public DestinationKeeper {
 public:
  explicit Pool(Surroundings around);
  ~Pool();

  void deliver(std::unique_ptr<Job> job);
  // Gives back the jobs that no connection has taken yet.
  void return_waiting(std::string_view reason);
  // The same; connections end as soon as nothing runs on them.
  void drain();

 private:
  void look_up(const std::string& host, bool no_mx, Resolver::Done done) override;
  std::unique_ptr<Carrier> make_connection(CarrierOwner& owner, const std::string& host, uint16_t port,
                                           const std::vector<net::Address>& addresses) override;
  void bury(std::unique_ptr<Carrier> connection) override;
  void connection_idle() override;
  void look_soon() override;
  void tidy_soon() override { tidy_.schedule(); }

  Destination& destination_of(const ipc::Deliver& deliver);
  void look_again();
  void tidy();
  void keep_idle_bound();

  Surroundings around_;
  Resolver resolver_;
  std::unordered_map<std::string, std::unique_ptr<Destination>> destinations_;
  std::vector<std::unique_ptr<Carrier>> buried_;
  size_t connections_ = 0;
  event::Timer look_;
  event::TurnEnd tidy_;
};

}  // namespace hikyaku::smtp_client
