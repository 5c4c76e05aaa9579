// A queue that no daemon works on, for commands that read its files themselves.
#pragma once

#include <optional>
#include <string>

#include "os/unique_fd.h"
#include "queue/disk.h"
#include "queue/journal_facts.h"
#include "queue/journal_inspection.h"
#include "queue/log_reader.h"

namespace hikyaku::ctl {

// Keeps cleanup and qmgr from the queue while it lives: both would change the files under our eyes.
class QueueAtRest {
 public:
  // Goes to the queue directory. Throws Failure: 69 when a daemon works on it. Creates nothing there: a lock file of
  // root's would keep the daemons out.
  explicit QueueAtRest(const std::string& config_directory);

 private:
  os::UniqueFd log_, journal_;
};

// What the journal says, as far as it can be read; when that is not all, `facts` are told not to rest on it.
queue::JournalReport read_journal(queue::Disk& disk, queue::JournalFacts& facts);

// What is wrong with the body of a message that stands whole in the log's segment `fd`, as far as it has one.
std::optional<queue::Damage> damage_of_body(queue::Disk& disk, int fd, const queue::LogEntry& entry);

}  // namespace hikyaku::ctl
