// The daemons that work for qmgr: smtp-client and bounce. Gives them jobs and the files to read, takes their answers.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <unordered_map>

#include "ipc/peer.h"
#include "qmgr/deliveries.h"
#include "queue/log_reader.h"

namespace hikyaku::qmgr {

class Workers {
 public:
  Workers(Deliveries& deliveries, queue::LogReader& log, log::Logger& logger)
      : deliveries_(deliveries), log_(log), logger_(logger) {}

  // `now` by the wall clock, `turn` by the monotonic one.
  bool on_frame(ipc::Peer& peer, ipc::Frame& frame, Time now, event::Monotonic turn);
  void on_gone(ipc::Peer& peer, Time now);

  // Gives out what may go, while slots are free.
  void hand_out(event::Monotonic turn);
  // The journal has been written: results up to now need not be kept by their workers.
  void confirm_results();
  // Nobody reads this segment any more.
  void close_segment(uint32_t segment);
  // A descriptor to read a segment from; invalid when it cannot be opened.
  int segment(uint32_t number);
  // The same for the body of a message; invalid, and not an error, when it has none.
  os::UniqueFd body(const Message& message);

 private:
  struct Worker {
    ipc::Peer* peer = nullptr;
    uint32_t slots = 0;
    std::set<uint64_t> jobs;
    std::set<uint32_t> open;  // segments that it has
    uint64_t answered = 0;    // highest number of a result
    uint64_t confirmed = 0;
    event::Monotonic resting_until{};  // after it returned a job: not the same one again at once, for ever
  };

  void told(Worker& worker, const ipc::Available& available);
  void told(Worker& worker, const ipc::Results& results, Time now);
  void told(Worker& worker, const ipc::Returned& returned, Time now, event::Monotonic turn);
  void told(Worker& worker, const ipc::ReportStored& stored);
  bool open_for(Worker& worker, uint32_t segment, uint64_t nonce);
  bool hand_out_delivery(Worker& worker, event::Monotonic turn);
  void cannot_open(const Deliveries::Outgoing& outgoing);
  bool hand_out_report(Worker& worker);
  Worker* with_free_slot(ipc::Role role, event::Monotonic turn);

  Deliveries& deliveries_;
  queue::LogReader& log_;
  log::Logger& logger_;
  std::map<ipc::Peer*, Worker> workers_;
  std::unordered_map<uint32_t, os::UniqueFd> segments_;
  std::vector<ipc::JobRecipient> recipients_;  // reused
};

}  // namespace hikyaku::qmgr
