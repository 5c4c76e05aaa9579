// Appends messages to the log, a group at a time, and knows what is durable. README.md tells the states.
//
//   auto place = writer.append(id, flags, envelope, pieces);   // memory only, for each message that is ready
//   if (writer.flush()) … 250 to all of the group
//   else if (writer.usable()) … 451 to all of the group
//   else … drop their connections without a reply
//
// Nothing in it is locked: while flush() runs in another thread, no other function may be called, not even one that
// only asks.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "queue/damage.h"
#include "queue/disk.h"
#include "queue/log_format.h"
#include "queue/nonce.h"
#include "queue/place.h"
#include "queue/queue_id.h"
#include "queue/spare_segments.h"
#include "util/error.h"

namespace hikyaku::queue {

struct LogOptions {
  uint64_t segment_size = kSegmentSize;            // bytes of a file, header included
  size_t spares = 2;                               // empty files held ready
  std::function<uint64_t()> nonce = random_nonce;  // of each segment
};

class LogWriter {
 public:
  // Recovers what a crash left in `folder`, which must exist and belong to this process alone (a lock is the caller's),
  // and starts a new segment. `disk` must outlive the writer. Fails, with the place, when a segment is of another
  // version or the disk does not read. Where there is no space for a segment, but mail of an earlier one, the writer is
  // not usable() and tells why: segments can be freed, and it goes on when there is space.
  static util::Result<LogWriter> open(Disk& disk, std::string folder, LogOptions options = {});

  // A new id: now, or one more than the highest ever given. `now` in microseconds since 1970.
  QueueId new_id(int64_t now);
  uint64_t highest_id() const { return highest_id_; }

  // Adds a message to the group. Nothing is written and nothing copied: `envelope` (as append_envelope wrote it) and
  // the bytes behind `content` must stay until flush() has returned. `content` itself may go. The place holds once
  // flush() has succeeded.
  Place append(QueueId id, uint32_t flags, std::string_view envelope, std::span<const std::string_view> content);
  // Bytes in the group, for the caller's bound.
  uint64_t pending_bytes() const { return pending_bytes_; }

  // Writes the group and makes it durable: all of it or, as far as any later reader can tell, nothing. Ends the group
  // either way. After a failure the log goes on in a new segment; if even that cannot be started, it is not usable():
  // the group's messages may or may not appear after a restart, and the next flush tries again.
  util::Result<void> flush();
  bool usable() const { return current_.size != 0; }

  // What readers may believe: all before it is mail, and stays. A failed flush adds nothing to it.
  LogPosition durable_end() const { return durable_end_; }

  // Whether a message of `bytes`, its envelope included, is certain to find space beside those of the group: else
  // 452 4.3.1.
  bool has_room(uint64_t bytes);
  // Makes and fills spare segments, a small slice a call; for idle moments. True while there is more to do.
  util::Result<bool> background_step() { return spares_.background_step(); }

  // Gives back a segment in which nothing is alive, in a flushed log: kept as a spare or removed. The current one is
  // refused.
  util::Result<void> free_segment(uint32_t number);
  // All segments but the current one, the oldest first.
  std::vector<uint32_t> old_segments() const;

  // At an orderly end: marks the segment's end, so that the next start need not guess. The writer is of no use after
  // it.
  util::Result<void> close();

  // Why open() started no segment; nothing when it did.
  const std::optional<util::Error>& start_trouble() const { return start_trouble_; }
  // What open() found damaged.
  const std::vector<Damage>& damage() const { return damage_; }
  // Segments whose records cannot be told any more, under the names that open() gave them.
  const std::vector<std::string>& set_aside() const { return set_aside_; }

 private:
  struct Segment {
    uint32_t number = 0;
    uint64_t nonce = 0;
    uint64_t size = 0;  // of the file; 0 while there is none to append to
    uint64_t end = 0;   // durable up to here
    os::UniqueFd fd;
  };
  // A stretch of the group that goes into one segment.
  struct Part {
    uint32_t number = 0;
    uint64_t nonce = 0;
    uint64_t size = 0;
    uint64_t start = 0;  // offsets in the segment
    uint64_t end = 0;
    size_t first_piece = 0;
    bool marked = false;
  };

  LogWriter(Disk& disk, std::string folder, LogOptions options);

  util::Result<void> recover();
  util::Result<void> learn_segments();
  util::Result<bool> learn_segment(uint32_t number);
  util::Result<void> set_aside(uint32_t number);
  util::Result<void> expect_ids_of(uint32_t number);
  util::Result<void> seal_by_scan();
  util::Result<void> recover_last(const SegmentHeader& header);
  util::Result<void> start_first(uint64_t size);
  bool mark_end(int fd, uint64_t nonce, uint64_t end);

  Part& part_with_room(uint64_t bytes);
  void plan_segment(uint64_t bytes);
  void add_end_mark(Part& part);
  void add_piece(std::string_view bytes);

  util::Result<void> write_group();
  util::Result<void> write_part(Part& part, std::span<iovec> pieces);
  util::Result<void> start_segment(const Part& part);
  util::Result<os::UniqueFd> make_segment(const Part& part, std::string_view header);
  void seal_unused(uint32_t number);
  util::Result<void> give_up_group(util::Error error, LogPosition good_end);
  void end_group();
  std::string path(uint32_t number) const { return folder_ + "/" + numbered_name("", number); }
  std::string damaged_path(uint32_t number) const { return folder_ + "/" + numbered_name(kDamagedPrefix, number); }

  Disk* disk_;
  std::string folder_;
  LogOptions options_;
  SpareSegments spares_;
  Segment current_;
  LogPosition durable_end_;
  Seal predecessor_;                    // of the next segment; segment 0 is none
  std::map<uint32_t, uint64_t> seals_;  // where segments without an end mark end
  std::set<uint32_t> old_segments_;
  uint32_t next_number_ = 1;
  uint64_t highest_id_ = 0;
  std::vector<Damage> damage_;
  std::vector<std::string> set_aside_;
  std::vector<SegmentHeader> unsealed_;  // while open() runs: those of which no header tells the end
  std::optional<util::Error> start_trouble_;

  std::vector<Part> group_;
  std::vector<iovec> pieces_;              // of the group, in order
  std::deque<RecordHeaderBytes> headers_;  // a deque, because pieces point to them
  uint64_t pending_bytes_ = 0;
};

}  // namespace hikyaku::queue
