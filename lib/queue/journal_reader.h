// Replays qmgr's journal at start: all that is whole is heard, and what is not is told.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "queue/damage.h"
#include "queue/disk.h"
#include "queue/journal_format.h"
#include "util/error.h"

namespace hikyaku::queue {

struct JournalReplay {
  uint32_t number = 0;  // of the file that was heard; 0: there was none
  bool closed = false;  // its writer ended in good order
  // What was durable and is not whole. The file is worth keeping: JournalWriter::set_aside().
  std::vector<Damage> damage;
  // What is not whole and was perhaps never durable: a power loss leaves it, and so may a changed bit.
  std::vector<Damage> torn;

  bool whole() const { return damage.empty() && torn.empty(); }
};

// Gives every whole record of the newest file in `folder` to `apply`, in order. A Checkpoint is given only if all that
// it rests on was heard: so reading the log from the last one that was given finds every message that the journal does
// not tell of, and what was lost is at most delivered again. README.md, "Damage in the journal".
// Errors: the disk cannot be read (temporary); the file was written by another version of this program (permanent, with
// file and offset).
util::Result<JournalReplay> replay_journal(Disk& disk, const std::string& folder,
                                           const std::function<void(const JournalRecord&)>& apply);

}  // namespace hikyaku::queue
