// Changes the index in a thread of its own, so that the loop never waits for the disk.
//
// The loop's side (all functions) is one thread. A change that was added counts as made when its number is `committed`:
// until then the index may or may not show it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "os/unique_fd.h"
#include "queue/index.h"
#include "util/error.h"

namespace hikyaku::queue {

class IndexWriter {
 public:
  // `index` must outlive it. Throws util::StartupError when there is no thread or descriptor to be had.
  explicit IndexWriter(Index& index);
  // Ends after the transaction at hand; the rest is dropped, and is in the journal.
  ~IndexWriter();
  IndexWriter(const IndexWriter&) = delete;
  IndexWriter& operator=(const IndexWriter&) = delete;

  // Memory only. Returns the change's number: 1, 2, 3 …
  uint64_t add(IndexChange change);
  // Has all that was added written, and what failed before tried again, as soon as the writer is free.
  void commit_now() { hand_over(false); }
  // The same, and makes it durable.
  void sync_now() { hand_over(true); }

  struct Progress {
    uint64_t committed = 0;  // up to this number all changes are in the index
    uint64_t durable = 0;    // and up to this one a power loss does not undo them
    // Of the last try. Temporary: the changes are kept, removals went before the others where they could, and the next
    // commit_now() or sync_now() tries again. Permanent: this process must end.
    std::optional<util::Error> trouble;
    bool operator==(const Progress&) const = default;
  };
  // Readable when there is progress that was not asked for yet.
  int fd() const { return event_.get(); }
  Progress progress();
  uint64_t added() const { return added_; }

 private:
  void hand_over(bool sync);
  // In the thread.
  void run();
  std::optional<util::Error> commit_all();
  void remove_first();
  void tell(const Progress& progress);

  Index& index_;
  os::UniqueFd event_;
  std::vector<IndexChange> adding_;  // the loop's
  uint64_t added_ = 0;
  std::vector<IndexChange> working_;  // the thread's: what is not committed yet
  Progress made_;                     // the thread's

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<IndexChange> handed_over_;
  bool commit_wanted_ = false, sync_wanted_ = false, stop_ = false;
  Progress told_;

  std::thread thread_;  // the last: it sees all of the above
};

}  // namespace hikyaku::queue
