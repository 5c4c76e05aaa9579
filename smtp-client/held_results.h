// Results that qmgr has not yet written to its journal: numbered, kept, and told again to the next qmgr. Pure.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "ipc/messages.h"

namespace hikyaku::smtp_client {

class HeldResults {
 public:
  // Gives `results` its number and keeps a copy.
  void add(ipc::Results& results);
  // All up to `number` are in the journal. False when no such number was given yet: the peer is out of its mind.
  [[nodiscard]] bool recorded(uint64_t number);

  bool empty() const { return held_.empty(); }
  // What they speak of, one entry for each.
  std::vector<ipc::InHand> subjects() const;

  // Calls `tell` with each, oldest first.
  template <class Tell>
  void each(Tell&& tell) const {
    for (const Held& held : held_) {
      ipc::Results results;
      if (ipc::decode_all(held.encoded, results)) tell(results);
    }
  }

 private:
  struct Held {
    uint64_t number = 0;
    std::string encoded;
  };
  std::deque<Held> held_;
  uint64_t last_ = 0;
};

}  // namespace hikyaku::smtp_client
