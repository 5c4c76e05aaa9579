// The course of every message through its attempts: what is handed out, what came of it, what happens next.
// Decides and tells the ledger; knows nothing of sockets. `now` is an argument.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "ipc/messages.h"
#include "log/logger.h"
#include "qmgr/config.h"
#include "qmgr/ledger.h"
#include "qmgr/message.h"
#include "qmgr/scheduler.h"
#include "qmgr/suspects.h"

namespace hikyaku::qmgr {

// Something handed out, and not yet answered.
struct Job {
  queue::QueueId id;
  std::vector<uint32_t> recipients;
  Destination* destination = nullptr;  // none for a report, and for what a former qmgr handed out
  Lane lane = Lane::kFirst;
  bool is_report = false;
  uint64_t jumps = UINT64_MAX;  // of the wall clock, when it was handed out; unknown for a former qmgr's
};

class Deliveries {
 public:
  Deliveries(Ledger& ledger, log::Logger& logger, Config config);
  void set_config(Config config);

  // A message has come, or come back after a restart or an operator's action: its recipients go into their lanes or
  // wait for their time.
  void admit(Message& message, Time now);
  // Puts what is due into the lanes, of the messages in memory.
  void wake(Time now);
  // The same of those that rest, as far as the lanes have room. True: another call may find more, after the index has
  // seen these leave.
  util::Result<bool> load_due(Time now);
  // The wall clock was set by so much. What waits is planned anew, and what is on its way is not given up by its age.
  void clock_jumped(std::chrono::microseconds jump, Time now);
  // Looks through a piece of what rests for times that another clock planned, further away than any wait may be.
  util::Result<void> look_for_late(Time now);

  // The next job for smtp-client; its recipients are in hand from now on.
  struct Outgoing {
    uint64_t number = 0;
    const Job* job = nullptr;
    const Message* message = nullptr;
  };
  std::optional<Outgoing> next_delivery();
  // The next message whose sender is to be told, for bounce.
  std::optional<Outgoing> next_report();

  // The next job with a message that a worker died with, when a trial may begin.
  std::optional<Outgoing> next_suspect(bool is_report, Suspects::Monotonic turn, Time now);
  const Suspects& suspects(bool is_report) const { return suspects_[is_report]; }

  // What a worker has in hand from a former qmgr: not to be handed out again, and answered under its old number. False
  // when the message is not known, or that number is.
  bool adopt(const ipc::InHand& in_hand, bool is_report = false);
  void answered(const ipc::Results& results, Time now);
  void report_stored(uint64_t number, Time now);
  // The log has a report: so these are told, whether or not bounce lived to say so.
  void reported(const queue::ReportOf& report, Time now);
  // No attempt was made, or nobody knows: the recipients are ready again, in front of their lane.
  void returned(uint64_t number, Time now);
  // The worker died with it: nobody knows what came of it, and the message is suspected of being the reason. Tried
  // again, alone; or put on hold, when that has ended its worker too often.
  void lost(uint64_t number, const std::string& worker, Time now);

  // The operator's actions on one message. kRetry moves only what waits; held mail does not move.
  bool is_on_the_wire(const Message& message) const;
  void act(ipc::Verb verb, Message& message, Time now);
  // Deletes a message that cannot be read any more; false when it is not known.
  bool delete_unreadable(queue::QueueId id);

  const Config& config() const { return config_; }

 private:
  void make_ready(Message& message, const std::vector<uint32_t>& recipients, Lane lane, Time now);
  Destination* destination_for(Message& message, uint32_t index);
  struct Attempt {
    bool since_jump = false;  // of the wall clock it was handed out
    bool passed_on = false;   // as ipc::Results
  };
  void take_result(Message& message, const ipc::RecipientResult& result, const Attempt& attempt, Time now);
  void plan_retry(Message& message, uint32_t index, Time now, bool attempted_since_jump);
  bool bound_waits(Message& message, Time now) const;
  void give_up(Message& message, uint32_t index, Time now);
  void settle(Message& message, Time now);
  void remove(Message& message);
  void let_wait(Message& message, const std::vector<uint32_t>& recipients, Time now);
  size_t most_in(Lane lane) const;
  bool is_crowded(const Message& message, Lane lane) const;
  queue::DueRoom room(const std::string& domain) const;
  void make_due_ready(Message& message, Time now);
  bool wants_report(const Message& message, const RecipientState& state) const;
  void wait_until(Message& message, int64_t due);
  void forget_wake(Message& message);
  std::optional<Job> end_job(uint64_t number, Scheduler::Ended how);
  void take_back(const Job& job, Time now);
  std::optional<Outgoing> begin_trial(Message& message, Time now);
  std::optional<Outgoing> hand_out_report(Message& message);
  void clear(Message& message, Time now);

  Ledger& ledger_;
  log::Logger& logger_;
  Config config_;
  Scheduler scheduler_;
  Destination* relay_ = nullptr;  // the one destination of all, when there is a relayhost
  std::unordered_map<uint64_t, Job> jobs_;
  uint64_t last_job_;                             // numbers of a former qmgr's jobs are never met again
  std::set<std::pair<int64_t, uint64_t>> wakes_;  // (Message::wake, id), one for each that waits in memory
  std::deque<queue::QueueId> reports_;
  static constexpr size_t kDelivery = false, kReport = true;     // by Job::is_report
  std::array<Suspects, 2> suspects_;                             // of ending smtp-client, and bounce
  uint64_t jumps_ = 0;                                           // of the wall clock
  std::optional<queue::QueueId> late_from_ = queue::QueueId{0};  // look_for_late() goes on here; nothing: it is through
  std::minstd_rand chance_{std::random_device{}()};
};

}  // namespace hikyaku::qmgr
