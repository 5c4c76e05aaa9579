// Answers the operator: the queue's listing, a message, and what is to be done with some of them.
//
// A listing goes out in slices, so that a long queue keeps no delivery waiting and no slow reader fills our memory:
// each ListQueue is answered by some entries and an EndOfList whose count says how many are still to come. While it is
// not 0, the same question on the same connection brings the next slice; another question begins anew.
#pragma once

#include <map>
#include <string>
#include <utility>
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
  // A listing under way: the messages that were there when it began.
  struct Listing {
    ipc::Selection selection;
    std::vector<queue::QueueId> ids;
    size_t next = 0;
  };
  Selected select(const ipc::Selection& selection);
  bool matches(const Message& message, const ipc::Selection& selection) const;
  ipc::QueueEntry describe(const Message& message) const;
  void list(ipc::Peer& peer, const ipc::ListQueue& request);
  void send_slice(ipc::Peer& peer, Listing& listing);
  void show(ipc::Peer& peer, const ipc::ShowMessage& request);
  void act(ipc::Peer& peer, const ipc::Act& request, Time now);

  Ledger& ledger_;
  Deliveries& deliveries_;
  Workers& workers_;
  std::vector<std::pair<ipc::Peer*, ipc::Acted>> answers_;
  std::map<ipc::Peer*, Listing> listings_;
};

}  // namespace hikyaku::qmgr
