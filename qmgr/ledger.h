// All that is in the queue, and the journal that remembers it: the one place where what is on disk of a message
// changes.
//
// A change is in the journal after write() (a killed process loses nothing) and safe from power loss after sync(). At
// start the state is the journal's, plus what the log holds from the journal's checkpoint on.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "qmgr/message.h"
#include "queue/disk.h"
#include "queue/journal_writer.h"
#include "queue/log_reader.h"
#include "util/error.h"

namespace hikyaku::qmgr {

class Ledger {
 public:
  // `disk` and `log` must outlive it.
  Ledger(queue::Disk& disk, std::string journal_folder, queue::LogReader& log);

  // Replays the journal and brings back the messages that it knows by their place. Then the caller reads the log from
  // checkpoint() to its end, gives every entry to arrive(), and calls recovered(): a new journal file begins.
  util::Result<void> recover();
  util::Result<void> recovered(queue::LogPosition read_up_to);
  queue::LogPosition checkpoint() const { return checkpoint_; }
  // What could not be brought back, a line each; told once.
  std::vector<std::string> take_damage() { return std::exchange(damage_, {}); }

  // A message of the log; nullptr when it is known to be gone, or is here already.
  Message* arrive(queue::QueueId id, const queue::Place& place, queue::Envelope envelope);
  Message* find(queue::QueueId id);
  std::unordered_map<uint64_t, Message>& messages() { return messages_; }

  // What became of a recipient: sets its step. (kReady, kInHand and kReporting are not on disk and are the caller's.)
  void delivered(Message& message, uint32_t index);
  void deferred(Message& message, uint32_t index, uint32_t attempts, int64_t next_attempt);
  void failed(Message& message, uint32_t index, bool expired);
  void reported(Message& message, uint32_t index);
  void hold(Message& message, bool held);
  // Forgets a message whose recipients are all done, or that an operator deleted. The reference is void after it.
  void complete(Message& message);

  bool dirty() const { return dirty_; }
  util::Result<void> write() { return journal_.write(); }
  util::Result<void> sync();
  // The log has been followed up to here: moves the checkpoint when a segment has been left behind.
  void followed(queue::LogPosition position);
  // After sync(): segments, each told once, that nothing alive stands in and no restart would read.
  std::vector<uint32_t> freeable_segments();
  // After sync(): messages, each told once, that are gone and whose body has a file of its own.
  std::vector<queue::QueueId> freeable_bodies() { return std::exchange(freeable_bodies_, {}); }

 private:
  struct Segment {
    size_t alive = 0;
    bool told = false;                    // its living messages are in the journal by their place
    std::vector<queue::QueueId> arrived;  // until then
  };
  // What the journal says of a message.
  struct Told {
    bool completed = false;
    bool has_place = false;
    queue::Place place;
    std::vector<queue::JournalRecord> records;
  };

  void hear(const queue::JournalRecord& record);
  void apply(Message& message, const queue::JournalRecord& record);
  util::Result<void> bring_back(queue::QueueId id, const queue::Place& place);
  Message& add(queue::QueueId id, const queue::Place& place, queue::Envelope envelope);
  void append(const queue::JournalRecord& record);
  void describe(const Message& message, std::vector<queue::JournalRecord>& out) const;
  util::Result<void> rotate();
  void free_left_over_bodies();

  queue::LogReader& log_;
  queue::Disk& disk_;
  std::string folder_;
  queue::JournalWriter journal_;
  std::unordered_map<uint64_t, Message> messages_;
  std::map<uint32_t, Segment> segments_;
  std::unordered_map<uint64_t, Told> told_;  // while recovering
  std::map<uint32_t, os::UniqueFd> open_;    // while recovering
  std::vector<std::string> damage_;
  std::vector<queue::Moved> unreadable_;      // messages before the checkpoint that could not be brought back
  std::vector<queue::QueueId> bodies_found_;  // in the folder, before the log was read to its end
  std::vector<queue::QueueId> ended_bodies_;  // of messages that are complete, since the last sync
  std::vector<queue::QueueId> freeable_bodies_;
  queue::LogPosition checkpoint_, followed_, durable_checkpoint_;
  bool dirty_ = false;
};

}  // namespace hikyaku::qmgr
