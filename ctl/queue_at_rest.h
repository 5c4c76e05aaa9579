// A queue that no daemon works on, for commands that read its files themselves.
#pragma once

#include <optional>
#include <string>

#include "os/unique_fd.h"
#include "queue/disk.h"
#include "queue/index_inspection.h"
#include "queue/journal_inspection.h"
#include "queue/log_reader.h"
#include "queue/queue_facts.h"

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

// What index and journal say, as far as they can be read.
struct KnownState {
  queue::QueueFacts facts;  // when something was lost, they are told not to rest on what is left
  queue::IndexReport index;
  queue::JournalReport journal;
};
KnownState read_state(queue::Disk& disk);

// What is wrong with the body of a message that stands whole in the log's segment `fd`, as far as it has one.
std::optional<queue::Damage> damage_of_body(queue::Disk& disk, int fd, const queue::LogEntry& entry);

}  // namespace hikyaku::ctl
