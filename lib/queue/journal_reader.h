// Replays qmgr's journal at start.
#pragma once

#include <functional>
#include <string>

#include "queue/disk.h"
#include "queue/journal_format.h"
#include "util/error.h"

namespace hikyaku::queue {

// Gives every record of the newest file in `folder` to `apply`, in order; no file, no record. A torn end, as a power
// loss leaves it, is void. Damage to what was durable is a permanent error that names file and offset; what `apply` has
// had by then is not all.
util::Result<void> replay_journal(Disk& disk, const std::string& folder,
                                  const std::function<void(const JournalRecord&)>& apply);

}  // namespace hikyaku::queue
