// The daemons that work for qmgr: smtp-client and bounce. Gives them jobs and the files to read, takes their answers.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "ipc/peer.h"
#include "ipc/presence.h"
#include "qmgr/deliveries.h"
#include "qmgr/doubts.h"
#include "qmgr/roll_call.h"
#include "queue/log_reader.h"

namespace hikyaku::qmgr {

class Workers {
 public:
  // `folder` has the signs of life of the workers.
  Workers(Deliveries& deliveries, queue::LogReader& log, log::Logger& logger, std::string folder = ipc::kWorkersFolder)
      : deliveries_(deliveries), log_(log), logger_(logger), folder_(std::move(folder)) {}

  // At the start, before anybody can connect: nothing is handed out until the workers of before have reported, or are
  // dead.
  util::Result<void> call_roll(event::Monotonic turn);
  // Somebody lives and is not connected: look() soon.
  bool awaits_somebody() const { return !roll_.empty(); }
  // Whether those who are awaited still live.
  void look(Time now, event::Monotonic turn);

  // `now` by the wall clock, `turn` by the monotonic one.
  bool on_frame(ipc::Peer& peer, ipc::Frame& frame, Time now, event::Monotonic turn);
  // The connection has ended. What a worker that lives has in hand stays there until it comes back.
  void on_gone(ipc::Peer& peer, Time now, event::Monotonic turn);

  // Gives out what may go, while slots are free. Reports only when `log_is_known` to its end: one that was stored while
  // its bounce, or cleanup, died must not be made again.
  void hand_out(event::Monotonic turn, bool log_is_known);
  // The journal has been written: results up to now need not be kept by their workers.
  void confirm_results();
  // Nobody reads this segment any more.
  void close_segment(uint32_t segment);
  // A descriptor to read a segment from; invalid when it cannot be opened.
  int segment(uint32_t number);
  // Tells in the log, from time to time, how much may have been sent twice.
  void tell_doubts(event::Monotonic turn);
  // The same for the body of a message; invalid, and not an error, when it has none.
  os::UniqueFd body(const Message& message);

 private:
  struct Worker {
    ipc::Peer* peer = nullptr;
    ipc::Role role{};
    ipc::ProcessName name;
    uint32_t slots = 0;
    std::set<uint64_t> jobs;
    std::set<uint32_t> open;  // segments that it has
    uint64_t answered = 0;    // highest number of an answer
    uint64_t confirmed = 0;
    bool set_aside = false;            // for suspects: it gets nothing else
    bool emptied = false;              // since then
    event::Monotonic resting_until{};  // after it returned a job: not the same one again at once, for ever
  };

  bool report(ipc::Peer& peer, ipc::Frame& frame, Time now);
  std::optional<Worker> known(ipc::ProcessName name);
  void forget_the_dead();
  void died(const Worker& worker, Time now);
  void told(Worker& worker, const ipc::Results& results, Time now);
  void told(Worker& worker, const ipc::Returned& returned, Time now, event::Monotonic turn);
  void told(Worker& worker, const ipc::ReportStored& stored, Time now);
  bool open_for(Worker& worker, uint32_t segment, uint64_t nonce);
  bool hand_out_next(Worker& worker, event::Monotonic turn);
  void hand_out_suspects(ipc::Role role, event::Monotonic turn);
  Worker* worker_for_suspects(ipc::Role role, event::Monotonic turn);
  void send(Worker& worker, const Deliveries::Outgoing& outgoing, event::Monotonic turn);
  void send_delivery(Worker& worker, const Deliveries::Outgoing& outgoing, event::Monotonic turn);
  void cannot_open(const Deliveries::Outgoing& outgoing);
  void send_report(Worker& worker, const Deliveries::Outgoing& outgoing);
  Worker* with_free_slot(ipc::Role role, event::Monotonic turn);

  Deliveries& deliveries_;
  queue::LogReader& log_;
  log::Logger& logger_;
  const std::string folder_;
  RollCall roll_;
  Doubts doubts_;
  std::map<ipc::Peer*, Worker> workers_;
  std::map<ipc::ProcessName, Worker> away_;  // alive, but not connected
  std::set<ipc::Peer*> replaced_;            // whose worker has come again over another connection
  std::unordered_map<uint32_t, os::UniqueFd> segments_;
  std::vector<ipc::JobRecipient> recipients_;  // reused
};

}  // namespace hikyaku::qmgr
