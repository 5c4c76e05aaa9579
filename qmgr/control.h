// Answers the operator: the queue's listing, a message, and what is to be done with some of them.
#pragma once

#include <vector>

#include "ipc/peer.h"
#include "qmgr/deliveries.h"
#include "qmgr/ledger.h"
#include "qmgr/workers.h"

namespace hikyaku::qmgr {

class Control {
 public:
  Control(Ledger& ledger, Deliveries& deliveries, Workers& workers)
      : ledger_(ledger), deliveries_(deliveries), workers_(workers) {}

  bool on_frame(ipc::Peer& peer, ipc::Frame& frame, Time now);
  void on_gone(ipc::Peer& peer);
  // Actions are waiting for their answer, which is given when they are durable.
  bool owes_answers() const { return !answers_.empty(); }
  void give_answers();

 private:
  struct Selected {
    std::vector<queue::QueueId> ids;
    std::vector<std::string> unknown;
  };
  Selected select(const ipc::Selection& selection);
  bool matches(const Message& message, const ipc::Selection& selection) const;
  ipc::QueueEntry describe(const Message& message) const;
  void list(ipc::Peer& peer, const ipc::ListQueue& request);
  void show(ipc::Peer& peer, const ipc::ShowMessage& request);
  void act(ipc::Peer& peer, const ipc::Act& request, Time now);

  Ledger& ledger_;
  Deliveries& deliveries_;
  Workers& workers_;
  std::vector<std::pair<ipc::Peer*, ipc::Acted>> answers_;
};

}  // namespace hikyaku::qmgr
