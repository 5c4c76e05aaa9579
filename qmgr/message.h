// A message in qmgr's memory: where it stands in the log and how far each recipient is.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "queue/envelope.h"
#include "queue/place.h"
#include "queue/queue_id.h"

namespace hikyaku::qmgr {

// How far a recipient is. Only the steps marked * are on disk; after a restart the others begin again at the last of
// those, because an unknown outcome is "not delivered".
enum class Step : uint8_t {
  kReady,      // * in a lane of its destination, or about to be
  kInHand,     //   with smtp-client
  kWaiting,    // * deferred until next_attempt
  kReportDue,  // * failed for good, or delivered; the sender is to be told
  kReporting,  //   with bounce
  kDone,       // *
};

struct RecipientState {
  queue::Recipient recipient;
  Step step = Step::kReady;
  bool expired = false;      // failed because its time was over
  uint32_t attempts = 0;     // made so far
  int64_t next_attempt = 0;  // seconds since 1970, for kWaiting
  int64_t last_attempt = 0;  // seconds since 1970, 0 when unknown
  std::string status;        // enhanced code of the last answer
  std::string reply;         // the last answer, as logged
  std::string remote_mta;    // who gave it

  // When a report is due: it was delivered, to a next hop that does not tell the sender, who asked for that.
  bool is_relayed() const { return status.starts_with('2'); }
};

struct Message {
  queue::QueueId id;
  queue::Place place;
  int64_t arrival = 0;      // microseconds since 1970
  int64_t ready_since = 0;  // when its recipients last went into a lane, microseconds since 1970; 0 is not yet
  std::string sender;
  std::string envelope_id;  // ENVID and RET of RFC 3461
  std::string return_content;
  bool eight_bit = false;
  bool smtputf8 = false;  // only a next hop with SMTPUTF8 can take it, whoever the recipients are
  bool held = false;
  std::string hold_reason;  // empty when an operator holds it
  uint8_t deaths = 0;       // of workers that had it in hand, since it was last answered; not on disk
  std::vector<RecipientState> recipients;

  // The ledger's. Its state in lib/queue/README.md, "The index": fresh; leaving, when `leaving`; taken, when only
  // `indexed`.
  bool indexed = false;    // the index knows it
  bool leaving = false;    // memory forgets it as soon as the index has it, if nothing touches it before
  uint64_t put = 0;        // number of the index's change that puts it there; 0 until that is handed over
  uint32_t placed_in = 0;  // number of the journal file that tells its place; 0 is none
  // The deliveries': when they look at it again, at the latest; kNoWake when never.
  int64_t wake = kNoWake;  // microseconds since 1970
  static constexpr int64_t kNoWake = INT64_MAX;

  size_t count(Step step) const {
    size_t n = 0;
    for (const RecipientState& recipient : recipients) n += recipient.step == step;
    return n;
  }
  bool is_done() const { return count(Step::kDone) == recipients.size(); }
  // Since it is in memory. What is ready and in no lane is still to be put into one.
  bool is_in_lane() const { return ready_since != 0; }
  uint64_t size() const { return place.message_size(); }
};

}  // namespace hikyaku::qmgr
