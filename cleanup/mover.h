// Copies records that qmgr asks for to the log's end, so that the segment in which they stand can be freed: reclaim
// (lib/queue/README.md). The copies go to the disk with the mail of a turn, and mail never waits for them.
#pragma once

#include <optional>
#include <string>

#include "cleanup/group.h"
#include "ipc/messages.h"
#include "ipc/peer.h"
#include "log/logger.h"
#include "queue/disk.h"
#include "queue/log_writer.h"

namespace hikyaku::cleanup {

class Mover {
 public:
  Mover(queue::Disk& disk, std::string folder, queue::LogWriter& writer, log::Logger& logger)
      : disk_(disk), folder_(std::move(folder)), writer_(writer), logger_(logger) {}

  // One batch at a time: another one is refused meanwhile.
  void take(ipc::Peer& from, const ipc::MoveRecords& asked);
  // Something waits for a group that is small enough.
  bool is_waiting() const { return asked_ && !is_in_group_; }
  // Adds the copies to a group that is about to go to the disk, unless there is much in it.
  void add_to(Group& group);
  // That group is stored, or not.
  void committed(bool stored);
  // The asker has gone. What is in the group goes to the disk, and is void.
  void forget(const ipc::Peer& peer);

 private:
  void answer(bool stored);
  void copy(const ipc::RecordToMove& record, Group& group);

  queue::Disk& disk_;
  const std::string folder_;
  queue::LogWriter& writer_;
  log::Logger& logger_;
  ipc::Peer* from_ = nullptr;
  std::optional<ipc::MoveRecords> asked_;
  bool is_in_group_ = false;
  ipc::RecordsMoved result_;
  uint32_t open_number_ = 0;  // of the segment
  uint64_t open_size_ = 0;
  os::UniqueFd open_;
};

}  // namespace hikyaku::cleanup
