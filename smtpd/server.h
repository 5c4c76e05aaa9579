// smtpd: the SMTP server of one service: its listeners and its connections.
#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "net/stream.h"
#include "service/service.h"
#include "smtpd/connection.h"

namespace hikyaku::smtpd {

class Server final : public service::Daemon {
 public:
  explicit Server(service::Context& context);

  // Before there is a way into the queue, no client is to be promised one.
  bool ready_at_once() const override { return false; }
  void drain(event::Duration within) override;

 private:
  void listen();
  void accepted(os::UniqueFd fd, uint16_t port);
  void bury();

  service::Context& context_;
  Config config_;
  event::TurnEnd read_on_;
  ReceiveBudget budget_;
  ClientCounts clients_;
  queue::RealDisk disk_;
  QueueClient queue_;
  Surroundings surroundings_;
  std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> ended_;
  event::TurnEnd bury_;
  std::vector<std::unique_ptr<net::Listener>> listeners_;
  bool draining_ = false;
};

}  // namespace hikyaku::smtpd
