// Answers the operator: the queue's listing, a message, and what is to be done with some of them.
//
// A long queue keeps no delivery waiting: an action is done a piece in a turn, by work(). A listing goes out in slices,
// so that no slow reader fills our memory either:
// each ListQueue is answered by some entries and an EndOfList whose count says how many are still to come. While it is
// not 0, the same question on the same connection brings the next slice; another question begins anew.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "ipc/peer.h"
#include "qmgr/deliveries.h"
#include "qmgr/ledger.h"
#include "qmgr/walk.h"
#include "qmgr/workers.h"

namespace hikyaku::qmgr {

class Control {
 public:
  Control(Ledger& ledger, Deliveries& deliveries, Workers& workers)
      : ledger_(ledger), deliveries_(deliveries), workers_(workers) {}

  bool on_frame(ipc::Peer& peer, ipc::Frame& frame);
  void on_gone(ipc::Peer& peer);
  // A piece of the actions under way. True: there is more, and it may be done now.
  bool work(Time now);
  // Actions are done and waiting for their answer, which is given when they are durable.
  bool owes_answers() const { return !answers_.empty(); }
  void give_answers();

 private:
  // A listing under way.
  struct Listing {
    ipc::Selection selection;
    Walk walk;
    ipc::Unread unread;
  };
  struct Action {
    ipc::Peer* peer = nullptr;
    ipc::Verb verb{};
    bool dry_run = false;
    ipc::Selection selection;
    bool named = false;  // the operator gave IDs
    Walk walk;
    ipc::Acted acted;
  };
  Walk select(const ipc::Selection& selection, std::vector<std::string>& unknown);
  bool matches(const Message& message, const ipc::Selection& selection) const;
  bool may_match(const Ledger::Seen& seen, const ipc::Selection& selection) const;
  // A message that cannot be read.
  void add(ipc::Unread& unread, const util::Error& trouble) const;
  // After a piece of a walk, or at its end when it is through: why it is not one through all of the queue.
  void tell_part(const Walk& walk, bool is_through, ipc::Unread& unread) const;
  ipc::QueueEntry describe(const Message& message) const;
  void list(ipc::Peer& peer, const ipc::ListQueue& request);
  void send_slice(ipc::Peer& peer, Listing& listing);
  void show(ipc::Peer& peer, const ipc::ShowMessage& request);
  void begin(ipc::Peer& peer, const ipc::Act& request);
  void act_on(Action& action, queue::QueueId id, Time now);

  Ledger& ledger_;
  Deliveries& deliveries_;
  Workers& workers_;
  std::deque<Action> actions_;
  std::vector<std::pair<ipc::Peer*, ipc::Acted>> answers_;
  std::map<ipc::Peer*, Listing> listings_;
};

}  // namespace hikyaku::qmgr
