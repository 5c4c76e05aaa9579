// The index of what rests in the queue, so that a million waiting messages need no memory and a start need not read
// them: LMDB, written by qmgr alone. README.md, "The index", has its place beside log and journal.
//
// One in a process, and never across a fork: LMDB's locks belong to the process, and closing a second opening would
// drop the locks of the first. apply() and sync() are called by one thread (IndexWriter's); all else by any.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "queue/disk.h"
#include "queue/index_format.h"
#include "util/error.h"

struct MDB_env;

namespace hikyaku::queue {

struct IndexTables;
class IndexTransaction;

struct IndexOptions {
  uint64_t map_size = uint64_t{64} << 30;  // bytes; of address space, only what is used takes room
  uint64_t ballast = 16 << 20;             // bytes of disk that are given up when there are no others
};

// How many messages of a domain are wanted, by lane: first attempts, and all others.
struct DueRoom {
  size_t first_attempts = 0;
  size_t others = 0;

  size_t total() const;  // SIZE_MAX when it is more
};

// Where a round through the domains goes on. As it is made: at the first.
struct DuePosition {
  bool at_start = true;
  WakeKey last;  // the last domain that was looked at
};

class Index {
 public:
  // Below `folder`, which must exist; made when it is not there. Permanent error when a newer version wrote it. One
  // that is broken, or was found to be by an earlier call, is set aside as damaged-N.mdb and a new one is made. `disk`
  // must outlive the index.
  static util::Result<std::unique_ptr<Index>> open(Disk& disk, const std::string& folder, IndexOptions options = {});
  // Has the next open() set it aside.
  static void mark_broken(Disk& disk, const std::string& folder);
  // Whether the next open() will; of the names in its folder.
  static bool is_marked_broken(const std::vector<std::string>& names);
  // It is a new one, in which nothing can be: there was none, or it was set aside, and then `damage` says why.
  bool is_new() const { return is_new_; }
  const std::string& damage() const { return damage_; }
  // The first permanent error of any call: this process cannot go on with it. When the file is broken, the next open()
  // sets it aside.
  std::optional<util::Error> failure() const;
  bool is_broken() const;
  Index(const Index&) = delete;
  Index& operator=(const Index&) = delete;
  ~Index();

  // All of `changes` or, after an error, none of them; a killed process loses nothing of it, a power loss may undo the
  // last two until sync(). Each change sees those before it. A permanent error means that this process cannot go on;
  // any other that the same may be tried again when there is room, removals first and few at a time.
  util::Result<void> apply(std::span<const IndexChange> changes);
  // Makes all that was applied durable.
  util::Result<void> sync();

  // Whether mail that is to come will find room. False when nine tenths of the map are used, or the ballast is given
  // up; removals still work then. Known since the last apply().
  bool has_room() const { return has_room_; }
  double used() const { return used_; }  // of the map, 0 to 1
  // Gives up the ballast: the disk is full. It is taken back by an apply() that finds room.
  void give_up_ballast();

  // What is due, for at most `limit` messages and the domains that are due first, from `position` on, where the next
  // call goes on. `room` tells how many are wanted of a domain; none: it is passed over. Of one domain, lanes and
  // groups take turns, and a group's own are the oldest due first. Looks at a bounded number of domains: after a call
  // `position` is at the start again when there are no more of them. What was given is given again until it is taken,
  // put or removed.
  util::Result<void> next_due(int64_t now, size_t limit, const std::function<DueRoom(const std::string&)>& room,
                              DuePosition& position, std::vector<RestingMessage>& out);
  // When the first domain is to be looked at, in seconds; nothing when none waits.
  util::Result<std::optional<int64_t>> next_wake();

  util::Result<std::optional<RestingMessage>> find(QueueId id);
  // The first `limit` messages whose id is `from` or higher.
  util::Result<void> list(QueueId from, size_t limit, std::vector<RestingMessage>& out);
  // Those among them that were taken and not put again: they were in a predecessor's memory.
  util::Result<void> list_taken(QueueId from, size_t limit, std::vector<QueueId>& out);

  struct Domain {
    std::string name;
    DomainRow row;
    bool operator==(const Domain&) const = default;
  };
  // Domains for which mail rests, after `after` (which need not exist), in the order of their bytes.
  util::Result<void> list_domains(const std::string& after, size_t limit, std::vector<Domain>& out);
  struct Segment {
    uint32_t number = 0;
    SegmentRow row;
    bool operator==(const Segment&) const = default;
  };
  // What stands in each segment of the log, as far as the index knows.
  util::Result<std::vector<Segment>> segments();
  util::Result<uint64_t> messages();
  util::Result<IndexPosition> position();
  // What the tables do not say alike, in words (index_check.h). Reads all of it.
  std::vector<std::string> disagreements();

 private:
  struct CloseEnvironment {
    void operator()(MDB_env* environment) const;
  };

  Index(Disk& disk, std::string folder, IndexOptions options);
  util::Result<void> make();
  util::Result<void> open_environment(const std::string& path, unsigned flags);
  util::Result<void> open_tables();
  util::Result<void> open_data();
  util::Result<void> set_aside();
  std::string path_of(std::string_view name) const { return folder_ + "/" + std::string(name); }
  // The error of an LMDB call. Broken files are remembered, so that the next open() sets them aside.
  std::unexpected<util::Error> failed(std::string_view what, int code, std::string_view damage = {});
  std::unexpected<util::Error> failed(std::string_view what, const IndexTransaction& transaction);
  uint64_t used_pages(IndexTransaction& transaction) const;
  void judge_room();
  void take_back_ballast();

  Disk& disk_;
  std::string folder_;
  IndexOptions options_;
  std::unique_ptr<MDB_env, CloseEnvironment> environment_;
  std::unique_ptr<IndexTables> tables_;
  bool is_new_ = false;
  std::string damage_;
  mutable std::mutex failure_mutex_;
  std::optional<util::Error> failure_;
  bool is_broken_ = false;
  uint64_t page_size_ = 4096;
  bool has_ballast_ = false;
  bool sync_failed_ = false;
  std::atomic<bool> has_room_{true};
  std::atomic<double> used_{0};
  std::atomic<uint32_t> turn_{0};  // which group begins
};

}  // namespace hikyaku::queue
