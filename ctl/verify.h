// queue verify: whether all that is on disk can be read.
#pragma once

#include <string>
#include <vector>

#include "queue/index_inspection.h"
#include "queue/journal_inspection.h"
#include "queue/log_inspection.h"

namespace hikyaku::ctl {

struct Inspection {
  std::vector<queue::SegmentReport> log;
  std::vector<queue::Damage> bodies;  // of messages that wait
  queue::JournalReport journal;
  queue::IndexReport index;
  uint64_t waiting = 0;  // whole messages that are not done
  std::vector<queue::QueueId>
      missing;  // those that wait by journal or index, and are not whole in the log at their place

  bool intact() const;
};

// A line per file, a line per damaged place, and the sum.
std::string inspection_text(const Inspection& inspection);
std::string inspection_json(const Inspection& inspection);

// Returns 0 when all is intact, 65 when something is damaged; throws Failure.
int verify_queue(const std::string& config_directory, bool json);

}  // namespace hikyaku::ctl
