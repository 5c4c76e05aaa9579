// Empties segments of the log that hold little that is alive: finds the living messages and has cleanup copy them, a
// batch at a time. What is copied comes back by way of the log (Ledger::arrive), and the ledger frees the segment.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "event/loop.h"
#include "ipc/messages.h"
#include "log/logger.h"
#include "qmgr/ledger.h"
#include "qmgr/reclaim.h"
#include "queue/log_reader.h"

namespace hikyaku::qmgr {

class Reclaimer {
 public:
  // `log` is the log's folder. `send` gives cleanup a batch, or returns false when it is not there.
  Reclaimer(Ledger& ledger, queue::Disk& disk, std::string log, log::Logger& logger,
            std::function<bool(const ipc::MoveRecords&)> send)
      : ledger_(ledger), disk_(disk), folder_(std::move(log)), logger_(logger), send_(std::move(send)) {}

  // From time to time: decides again how much may be copied.
  void look(event::Monotonic turn);
  // A slice of work; true when there is more at once. `followed` is how far the log was read.
  bool work(queue::LogPosition followed, event::Monotonic turn);
  // cleanup has done a batch, or (nullptr) has gone.
  void answered(const ipc::RecordsMoved* answer, event::Monotonic turn);

 private:
  // The segment that is being emptied.
  struct Round {
    uint32_t segment = 0;
    queue::LogReader reader;
    queue::LogPosition position;
    bool read_to_end = false;
    std::deque<ipc::RecordToMove> found;  // alive, and not asked for yet
    uint64_t found_bytes = 0;
    uint64_t asked = 0;  // messages
  };

  std::optional<Reclaim> decide(event::Monotonic turn);
  void scan(queue::LogPosition followed, event::Monotonic turn);
  void send_batch(event::Monotonic turn);
  void give_up(event::Monotonic turn);
  void end_round(event::Monotonic turn);

  Ledger& ledger_;
  queue::Disk& disk_;
  const std::string folder_;
  log::Logger& logger_;
  std::function<bool(const ipc::MoveRecords&)> send_;
  uint64_t arrived_bytes_ = 0;  // at the last look
  uint64_t credit_ = 0;         // bytes that may be copied now
  std::optional<Round> round_;
  uint64_t number_ = 0;  // of the last batch
  bool awaits_answer_ = false;
  event::Monotonic paused_until_{};
  std::map<uint32_t, event::Monotonic> resting_until_;  // segments that could not be emptied just now
  std::set<uint32_t> damaged_;                          // segments that stay
  std::string told_;                                    // the last failure to read
};

}  // namespace hikyaku::qmgr
