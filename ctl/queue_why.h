// queue why: what a message waits for, since when and until when.
#pragma once

#include <cstdint>
#include <string>

#include "ctl/queue_listing.h"
#include "ipc/messages.h"

namespace hikyaku::ctl {

// The gate before which a message stands.
enum class Gate {
  kRelease,   // held: for an operator
  kDelivery,  // in a worker's hand: for the next hop's answer
  kReport,    // nothing is left to deliver: for the report to its sender
  kTurn,      // it may go: for a connection to its next hop
  kTime,      // deferred: for its next attempt
};

struct Why {
  ipc::QueueEntry entry;
  bool on_the_wire = false;
  bool to_be_tried = false;  // some recipient is neither done nor given up

  Gate gate() const;
};

std::string why_text(const Why& why, int64_t now, const ShowTime& show_time);
std::string why_json(const Why& why);

int explain_message(const std::string& config_directory, const std::string& id, bool json);

}  // namespace hikyaku::ctl
