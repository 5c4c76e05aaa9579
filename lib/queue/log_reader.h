// Follows the log: which messages it holds, and where; replays it at start. Reads only.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "os/unique_fd.h"
#include "queue/damage.h"
#include "queue/disk.h"
#include "queue/envelope.h"
#include "queue/log_format.h"
#include "queue/place.h"
#include "queue/queue_id.h"
#include "queue/segment_scan.h"
#include "queue/segment_window.h"
#include "util/error.h"

namespace hikyaku::queue {

struct LogEntry {
  QueueId id;
  Place place;
  Envelope envelope;
};

class LogReader {
 public:
  // `disk` must outlive the reader.
  LogReader(Disk& disk, std::string folder);

  // Appends to `out` at most `limit` messages from `from` on, oldest first, and returns the position to go on from;
  // nothing was added: all is read. A `from` of {} is the beginning; one in a segment that is gone means the next one.
  //
  // With `durable_end`, as the writer published it, nothing beyond it is read, and contents are not read either.
  // Without it the last segment is checked to its last whole record, contents included: only while no writer runs.
  //
  // What is damaged is told in `damage` and passed over: the messages behind it are not lost. (Of headers, only those
  // without which a segment cannot be read: the writer tells of them all when it starts.) An error means that
  // nothing can be said (a failing disk, a segment of a newer version); it names the file, and the same call may be
  // made again.
  util::Result<LogPosition> read_entries(LogPosition from, std::optional<LogPosition> durable_end, size_t limit,
                                         std::vector<LogEntry>& out, std::vector<Damage>& damage);

  // The segments there are, the oldest first. Looks at the folder.
  util::Result<std::vector<uint32_t>> segments();
  // Whether its header was found damaged and it was passed over: what stands in it is not known.
  bool is_unreadable(uint32_t number) const { return unreadable_.contains(number); }
  // Asks for the nonce of a segment that cannot be read without, or was set aside for that: with it, it is read on.
  using AskNonce = std::function<std::optional<uint64_t>(uint32_t segment)>;
  void ask_for_nonces(AskNonce ask) { ask_nonce_ = std::move(ask); }
  // The segments that the writer set aside, the oldest first. Looks at the folder.
  util::Result<std::vector<uint32_t>> set_aside() { return list_numbered(*disk_, folder_, kDamagedPrefix); }
  // A segment's file to read from, also of one that was set aside, for processes that open no files of the queue
  // themselves.
  util::Result<os::UniqueFd> open_segment(uint32_t number);

  // The finished bodies there are, of messages or left over, by id. Looks at the folder.
  util::Result<std::vector<QueueId>> bodies();
  // A body's file to read from.
  util::Result<os::UniqueFd> open_body(QueueId id);

 private:
  struct OpenSegment {
    uint32_t number = 0;
    uint64_t nonce = 0;
    std::string file;
    os::UniqueFd fd;
    uint64_t size = 0;
    std::optional<uint64_t> scanned_end;  // found without a durable end; costs a look at all of it
  };
  // How far a segment may be read, and whether anything follows.
  struct Extent {
    uint64_t end = 0;
    bool last = false;
  };

  util::Result<LogPosition> read_on(LogPosition from, std::optional<LogPosition> durable_end, size_t wanted,
                                    std::vector<LogEntry>& out, std::vector<Damage>& damage);
  util::Result<bool> enter(LogPosition& position, std::optional<LogPosition> durable_end);
  util::Result<void> load_headers(uint32_t from);
  util::Result<void> load_header(uint32_t number);
  util::Result<std::vector<uint32_t>> find_readable(uint32_t from);
  std::optional<uint64_t> nonce_of(uint32_t number);
  void tell_unreadable(uint32_t from, uint32_t to, std::vector<Damage>& damage);
  util::Result<Extent> extent_of_current(std::optional<LogPosition> durable_end);
  util::Result<uint64_t> scanned_end_of_current(Followed followed);
  util::Result<bool> read_segment(LogPosition& position, uint64_t end, size_t wanted, std::vector<LogEntry>& out,
                                  std::vector<Damage>& damage);
  util::Result<void> take_entry(SegmentWindow& window, const RecordHeader& header, uint64_t offset,
                                std::vector<LogEntry>& out, std::vector<Damage>& damage);
  std::string path(uint32_t number) const {
    return folder_ + "/" + numbered_name(is_aside_.contains(number) ? kDamagedPrefix : "", number);
  }

  Disk* disk_;
  std::string folder_;
  std::map<uint32_t, SegmentHeader> headers_;  // of all segments that were there at the last look and can be read
  std::map<uint32_t, uint64_t> seals_;
  struct Unreadable {
    Damage damage;
    bool told = false;
  };
  std::map<uint32_t, Unreadable> unreadable_;
  bool seals_lost_ = false;      // some header was damaged that told them
  std::set<uint32_t> is_aside_;  // of the segments that are read
  AskNonce ask_nonce_ = [](uint32_t) { return std::nullopt; };
  std::map<uint32_t, std::optional<uint64_t>> nonces_;  // as answered
  std::optional<OpenSegment> current_;
};

}  // namespace hikyaku::queue
