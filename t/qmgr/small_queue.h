// What the tests of qmgr share: a log with messages in it, and the ledger over it, on a disk that can fail.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "qmgr/ledger.h"
#include "queue/log_reader.h"
#include "queue/log_writer.h"
#include "t/lib/queue/faulty_disk.h"

namespace hikyaku::qmgr {

inline constexpr int64_t kArrival = 1'700'000'000;  // seconds since 1970

// A message for user0@example.net, user1@example.net …
queue::Envelope envelope(size_t recipients = 1, const std::string& sender = "sender@example.com");

class SmallQueue {
 public:
  SmallQueue();

  // Writes a message durably and returns its id; `size` of its content in bytes.
  queue::QueueId write(const queue::Envelope& envelope, size_t size = 100);
  // The same, and tells the ledger.
  Message& add(const queue::Envelope& envelope, size_t size = 100);
  // Copies a record to the log's end durably, as cleanup does for reclaim; where it stands now.
  queue::Place copy(queue::QueueId id, const queue::Place& place);
  // Spoils the record of a message, wherever it is now.
  void spoil_record(queue::QueueId id);
  // Gives the ledger what it has not seen of the log, as qmgr's follower does, and returns what was new.
  std::vector<queue::QueueId> follow();

  queue::LogPosition position() const { return position_; }

  // Syncs, hands over to the index, and waits until memory has forgotten what rests.
  void settle_index();
  // Until the index's thread got on.
  void wait_for_index();

  // A process that was killed: what was written stays. The next one recovers, after what happens `meanwhile`.
  void restart(const std::function<void()>& meanwhile = {});
  // The same, after an orderly end.
  void close_and_restart(const std::function<void()>& meanwhile = {});
  // Power loss: what was not synced is gone.
  void cut_power_and_restart();

  Ledger& ledger() { return *ledger_; }
  queue::LogReader& reader() { return *reader_; }
  queue::FaultyDisk& disk() { return disk_; }
  std::vector<std::string> take_damage() { return std::exchange(damage_, {}); }
  // From now on the log may be damaged.
  void expect_log_damage() { log_is_damaged_ = true; }
  queue::LogWriter& writer() { return *writer_; }
  std::string log_folder() const { return folder_.path() + "/log"; }
  std::string journal_folder() const { return folder_.path() + "/journal"; }
  std::string index_folder() const { return folder_.path() + "/index"; }

 private:
  void open();

  queue::TemporaryFolder folder_;
  queue::FaultyDisk disk_;
  std::optional<queue::LogWriter> writer_;
  std::unique_ptr<queue::LogReader> reader_;
  std::unique_ptr<Ledger> ledger_;
  queue::LogPosition position_;
  std::vector<std::string> damage_;
  bool log_is_damaged_ = false;
};

// Writes until the log has left the segment that it is in.
void fill_segment(SmallQueue& queue);

}  // namespace hikyaku::qmgr
