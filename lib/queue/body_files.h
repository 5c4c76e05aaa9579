// The files of their own that big messages have: made, made durable and removed, by the writer of the log alone.
// README.md, "Bodies", tells the states.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "os/unique_fd.h"
#include "queue/body_format.h"
#include "queue/disk.h"
#include "util/error.h"

namespace hikyaku::queue {

class BodyFiles {
 public:
  // `disk` must outlive it; `folder` is the log's.
  BodyFiles(Disk& disk, std::string folder) : disk_(&disk), folder_(std::move(folder)) {}

  // Removes what an earlier run was writing.
  util::Result<void> remove_unfinished();

  // A new file under a name that no message has yet; its descriptor can be written and nothing else.
  util::Result<os::UniqueFd> begin(QueueId name);
  // It will not be needed.
  void drop(QueueId name);

  // A file that is written, and what came of it.
  struct Finished {
    QueueId name;  // as begin() had it
    QueueId id;    // of its message
    int fd = -1;
    uint64_t length = 0;           // as it was announced
    util::Result<void> durable{};  // set by make_durable()
  };
  // Gives all of them their messages' names; only what is durable after it may be named in the log. What is not, is
  // removed. Blocks; several are flushed at a time, by threads that have ended when it returns. May run beside all
  // other calls for other names.
  void make_durable(std::span<Finished> files);
  // The body of a message that is gone, or that never was. One that is not there is no error.
  util::Result<void> free(QueueId id);

  // Whether `bytes` more can be written, so that something is left for the rest of the queue.
  bool has_room(uint64_t bytes) const;

 private:
  util::Result<void> name_for_good(const Finished& file);
  void sync_all(std::span<Finished> files);
  std::string path(const std::string& name) const { return folder_ + "/" + name; }

  Disk* disk_;
  std::string folder_;
};

// The highest id that a body's file in `folder` is named by: it may have been given and stand in no record.
util::Result<uint64_t> highest_body_id(Disk& disk, const std::string& folder);
// Ids by which finished bodies are named, in order.
util::Result<std::vector<QueueId>> list_bodies(Disk& disk, const std::string& folder);

}  // namespace hikyaku::queue
