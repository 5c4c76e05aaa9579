// The journal of a queue at rest, as far as it can be read: for checking it and for saving mail. Reads only.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "queue/damage.h"
#include "queue/disk.h"
#include "queue/journal_format.h"
#include "util/error.h"

namespace hikyaku::queue {

struct JournalReport {
  std::string file;      // empty: there is no journal
  std::string problem;   // of its header: nothing can be read then, unless one bit of it was wrong; empty when intact
  uint64_t records = 0;  // whole ones
  uint64_t bytes = 0;    // of them
  std::vector<Damage> damage;
  std::vector<Damage> torn;  // no damage: a power loss leaves it (a changed bit in the last part looks the same)

  bool intact() const { return problem.empty() && damage.empty(); }
};

// Gives every whole record of the newest file in `folder` to `apply`, in order, as a replay at start hears them
// (journal_reader.h).
// Errors: the disk cannot be read.
util::Result<JournalReport> inspect_journal(Disk& disk, const std::string& folder,
                                            const std::function<void(const JournalRecord&)>& apply);

}  // namespace hikyaku::queue
