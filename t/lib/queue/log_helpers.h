// What the tests of the log share: a small log, messages for it, and all that a reader finds in it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "queue/log_reader.h"
#include "queue/log_writer.h"
#include "t/lib/queue/faulty_disk.h"

namespace hikyaku::queue {

inline constexpr uint64_t kSmallSegment = 16 << 10;

// Nonces 1, 2, 3 … and small segments.
LogOptions small_log();

struct Message {
  uint64_t id = 0;
  std::string content;
  std::string envelope;  // its bytes
};
Message message(uint64_t id, size_t size = 100);

// Appends without flushing; `messages` must stay.
std::vector<Place> append_all(LogWriter& writer, const std::vector<Message>& messages);

// Content of every message in the log by id, and what was damaged. Without `end` the log is read as after a crash.
struct Found {
  std::map<uint64_t, std::string> messages;
  std::vector<LogEntry> entries;
  std::vector<Damage> damage;
  LogPosition end;
};
Found read_log(Disk& disk, const std::string& folder, std::optional<LogPosition> end = {}, size_t limit = 3);

// Ids of `found`, in the order of the log.
std::vector<uint64_t> ids(const Found& found);

// Changes one bit of a file.
void flip_bit(const std::string& path, uint64_t offset, int bit = 0);
// Overwrites bytes of a file.
void overwrite(const std::string& path, uint64_t offset, std::string_view bytes);

}  // namespace hikyaku::queue
