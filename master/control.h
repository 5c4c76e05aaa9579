// The operator's socket: questions come in, each is answered once, now or later.
#pragma once

#include <cstdint>
#include <functional>
#include <map>

#include "event/loop.h"
#include "ipc/messages.h"
#include "ipc/peer.h"
#include "os/unique_fd.h"

namespace hikyaku::master {

class Control {
 public:
  using Ticket = uint64_t;
  using Asked = std::function<void(Ticket, ipc::MasterVerb)>;

  Control(event::Loop& loop, os::UniqueFd listening, Asked asked);

  // Does nothing when the one who asked has gone.
  void answer(Ticket ticket, const ipc::MasterAnswer& answer);

 private:
  Asked asked_;
  Ticket last_ticket_ = 0;
  std::map<Ticket, ipc::Peer*> waiting_;
  ipc::Server server_;
};

}  // namespace hikyaku::master
