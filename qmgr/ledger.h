// All that is in the queue, the journal that remembers it, and the index of what rests: the one place where what is on
// disk of a message changes. lib/queue/README.md tells the states and their steps; the words here are the same.
//
// A change is in the journal after write() (a killed process loses nothing) and safe from power loss after sync(). At
// start the state is the index's and the journal's, plus what the log holds from the journal's checkpoint on.
//
// The index is changed by a thread of its own; index_fd() is readable when it got on, and index_progress() takes
// notice.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "qmgr/message.h"
#include "queue/disk.h"
#include "queue/index.h"
#include "queue/index_writer.h"
#include "queue/journal_reader.h"
#include "queue/journal_writer.h"
#include "queue/log_reader.h"
#include "queue/record_reader.h"
#include "util/error.h"

namespace hikyaku::qmgr {

struct LedgerFolders {
  std::string journal = "journal";
  std::string index = "index";
  queue::IndexOptions index_options{};
};

class Ledger {
 public:
  // `disk` and `log` must outlive it.
  Ledger(queue::Disk& disk, LedgerFolders folders, queue::LogReader& log);

  // Replays the journal and brings back the messages that it or the index know to be under way. Then the caller reads
  // the log from checkpoint() to its end, gives every entry to arrive(), and calls recovered(): a new journal file
  // begins.
  util::Result<void> recover();
  util::Result<void> recovered(queue::LogPosition read_up_to);
  queue::LogPosition checkpoint() const { return checkpoint_; }
  // What could not be read, a line each; each message is told once.
  std::vector<std::string> take_damage() { return std::exchange(damage_, {}); }

  // A message of the log; nullptr when it is known to be gone, or is here already. Before recovered(): what it reports
  // is done, even where the journal does not say so.
  Message* arrive(queue::QueueId id, const queue::Place& place, queue::Envelope envelope);
  // A message in memory.
  Message* find(queue::QueueId id);
  std::unordered_map<uint64_t, Message>& messages() { return messages_; }

  // What became of a recipient: sets its step. (kReady, kInHand and kReporting are not on disk and are the caller's,
  // who calls stay() for them.)
  void delivered(Message& message, uint32_t index);
  void deferred(Message& message, uint32_t index, uint32_t attempts, int64_t next_attempt);
  void failed(Message& message, uint32_t index, bool expired);
  // Delivered, and the sender is to be told; the state's status is of class 2.
  void relayed(Message& message, uint32_t index) { failed(message, index, false); }
  // The sender was told, or is not to be told, of these; false when that was known of all of them.
  bool reported(Message& message, const std::vector<uint32_t>& indices);
  void hold(Message& message, bool held, std::string reason = {});
  // Forgets a message whose recipients are all done, or that an operator deleted. The reference is void after it.
  void complete(Message& message);
  // The same for one that look() cannot read; false when it is not known.
  bool forget_unreadable(queue::QueueId id);

  // ---- what rests ----

  // Nothing of the message is on its way: it goes to the index, and memory forgets it when it is there. The reference
  // stays good until index_progress().
  void rest(Message& message);
  // It stays in memory after all.
  void stay(Message& message) { message.leaving = false; }
  // A message wherever it is: one that rests is taken into memory. nullptr when there is none such, or it cannot be
  // read (then take_damage() tells, or index_failure()).
  Message* load(queue::QueueId id);
  struct Due {
    std::vector<queue::QueueId> ids;
    bool more = false;  // the round through the domains goes on
  };
  // Takes into memory what is due, at most `limit` messages; nothing while the index has not seen the last ones leave.
  util::Result<Due> load_due(int64_t now, size_t limit,
                             const std::function<queue::DueRoom(const std::string& domain)>& room);
  // The index has not seen all leave that were loaded.
  bool is_loading() const { return index_up_to_.committed < last_take_; }
  // What an onlooker sees of a message. When there is none such, neither is there.
  struct Seen {
    std::optional<Message> message;      // a copy
    std::optional<util::Error> trouble;  // why it cannot be read: `message` is what the index knows, or nothing
  };
  Seen look(queue::QueueId id);
  // Messages that the journal alone knows, and that could not be brought back.
  const std::vector<queue::Moved>& unreadable() const { return unreadable_; }
  // The first `limit` messages of the index from `from` on, by id: those that rest, and some that are in memory or
  // gone.
  util::Result<void> list_resting(queue::QueueId from, size_t limit, std::vector<queue::RestingMessage>& out) {
    return index_->list(from, limit, out);
  }

  // After sync(): gives the index what it is to know.
  void hand_over();
  size_t waiting_for_index() const { return to_put_.size() + to_remove_.size(); }
  // Messages that the index was given and does not have yet.
  size_t leaving() const { return leaving_.size(); }
  int index_fd() const { return writer_->fd(); }
  // Error, permanent: this process cannot go on, the next one starts from what is on disk. Temporary: told once, tried
  // again by the next hand_over().
  util::Result<void> index_progress();
  // The index is broken, or cannot be used any more: this process must end, whoever met it first. What was done is in
  // the journal.
  std::optional<util::Error> index_failure() const { return index_->failure(); }
  // Whether the index takes more: else no new mail is to be accepted.
  bool has_room() const { return index_->has_room(); }

  // ---- the journal ----

  bool dirty() const { return dirty_; }
  util::Result<void> write() { return journal_.write(); }
  util::Result<void> sync();
  // At an orderly end, after sync(): nothing can be told after it.
  util::Result<void> close() { return journal_.close(); }
  // The log has been followed up to here: moves the checkpoint when a segment has been left behind.
  void followed(queue::LogPosition position);
  // After sync(): segments, each told once, that nothing alive stands in and no restart would read.
  std::vector<uint32_t> freeable_segments();
  // After sync(): messages, each told once, that are gone and whose body has a file of its own.
  std::vector<queue::QueueId> freeable_bodies() { return std::exchange(freeable_bodies_, {}); }

  // ---- reclaim (ledger_reclaim.cc) ----

  struct SegmentUse {
    uint32_t number = 0;
    uint64_t size = 0;        // of its file; 0 when it cannot be seen
    uint64_t live_bytes = 0;  // records of what is alive, in memory or at rest
    uint64_t alive = 0;       // messages
    bool is_movable = false;  // no restart reads it, and none of its messages is known to be unreadable
  };
  // Every segment that is known, the oldest first.
  std::vector<SegmentUse> use();
  // Bytes of mail that came since the start, copies not counted.
  uint64_t arrived_bytes() const { return arrived_bytes_; }
  // Whether the message lives at this place, and nobody reads it there.
  bool may_move(queue::QueueId id, const queue::Place& place);

 private:
  struct Segment {
    size_t alive = 0;                     // in memory or at rest
    uint64_t live_bytes = 0;              // of their records
    uint64_t size = 0;                    // of the file; 0: not looked at
    bool unreadable = false;              // some of it
    size_t to_move = 0;                   // messages that moved away, and the index is still to be given that
    uint64_t moved_by = 0;                // the index's change by which the last one moved away
    bool told = false;                    // its living messages are in the journal by their place, or at rest
    std::vector<queue::QueueId> arrived;  // until then
  };
  // What the journal says of a message that it does not call completed.
  struct Told {
    std::optional<queue::Place> place;
    std::vector<queue::JournalRecord> records;
  };

  // A message that the index may know by an older place.
  struct Moving {
    queue::Place place;
    uint64_t change = 0;  // the index's; 0 until it is handed over
  };

  util::Result<void> try_to_recover();
  void forget_recovered();
  void inspect_index(const queue::JournalReplay& replayed);
  void save_from_index();
  void hear_saved();
  util::Result<void> open_index(const queue::JournalReplay& replayed);
  void tell(const queue::JournalReplay& replayed);
  void hear(const queue::JournalRecord& record);
  static void apply(Message& message, const queue::JournalRecord& record);
  util::Result<void> recover_completed();
  util::Result<void> recover_told(queue::QueueId id, const Told& told);
  util::Result<void> recover_taken();
  util::Result<void> bring_back(queue::QueueId id, const queue::Place& place);
  util::Result<queue::RecordHead> read_head(queue::QueueId id, const queue::Place& place);
  util::Result<void> read_envelope(Message& message);
  void tell_unreadable(queue::QueueId id, const util::Error& error);
  void tell(std::string line);

  void end(queue::QueueId id, const queue::Place& place, bool indexed);
  Message* admit(queue::QueueId id, const queue::Place& place, queue::Envelope envelope);
  Message& add(queue::QueueId id, const queue::Place& place, queue::Envelope envelope);
  void count(const queue::Place& place, int messages);
  Message* take(const queue::RestingMessage& resting);
  void tell_place(Message& message);
  void append(const queue::JournalRecord& record);
  void change(Message& message, const queue::JournalRecord& record);
  void describe(const Message& message, std::vector<queue::JournalRecord>& out) const;
  void forget_rested();

  bool is_wanted_copy(queue::QueueId id);
  void move(queue::QueueId id, const queue::Place& place);
  queue::Place place_of(const queue::RestingMessage& resting) const;
  void moved_away(queue::QueueId id, uint32_t from);
  void hand_over_moves();
  bool is_left(const Segment& segment) const;
  bool awaits_durable_moves() const;
  util::Result<void> recover_moves();

  util::Result<void> rotate();
  std::optional<uint64_t> nonce_of(uint32_t segment);
  util::Result<void> keep_set_aside();
  util::Result<void> free_left_over_bodies();

  queue::LogReader& log_;
  queue::Disk& disk_;
  LedgerFolders folders_;
  queue::JournalWriter journal_;
  std::unordered_map<uint64_t, Message> messages_;
  std::map<uint32_t, Segment> segments_;
  std::map<uint32_t, os::UniqueFd> open_;  // segments, to read envelopes from
  std::vector<std::string> damage_;
  std::unordered_set<uint64_t> told_unreadable_;  // messages
  std::vector<queue::Moved> unreadable_;          // messages before the checkpoint that could not be brought back
  std::vector<queue::QueueId> bodies_found_;      // in the folder, before the log was read to its end
  std::vector<queue::QueueId> ended_bodies_;      // of messages that are complete, since the last sync
  std::vector<queue::QueueId> freeable_bodies_;
  queue::LogPosition checkpoint_, followed_, durable_checkpoint_;
  bool dirty_ = false;
  uint64_t arrived_bytes_ = 0;

  std::unordered_map<uint64_t, Moving> moving_;
  std::vector<std::pair<queue::QueueId, uint32_t>> to_move_;  // (id, segment that it left), not handed over
  std::deque<std::pair<uint64_t, queue::QueueId>> moved_;     // (change, id), not yet durable

  // While recovering.
  bool recovering_ = true;
  bool journal_has_gaps_ = false;          // it does not tell all that it should
  std::optional<util::Error> unanswered_;  // of a message of the log: whether the index knows it
  std::unordered_map<uint64_t, Told> told_;
  std::unordered_map<uint64_t, std::vector<queue::JournalRecord>> saved_;  // of an index that is set aside
  std::unordered_set<uint64_t> completed_;

  std::unique_ptr<queue::Index> index_;
  std::optional<queue::IndexWriter> writer_;
  queue::IndexWriter::Progress index_up_to_;
  queue::DuePosition due_;
  std::vector<queue::QueueId> to_put_, to_remove_;            // not handed over
  std::deque<std::pair<uint64_t, queue::QueueId>> leaving_;   // (change, id), handed over
  std::deque<std::pair<uint64_t, queue::QueueId>> removing_;  // not yet durable
  std::unordered_set<uint64_t> gone_;                         // all that stands in to_remove_ and removing_
  uint64_t last_take_ = 0;                                    // change
  uint64_t last_forgotten_ = 0;                               // change by which a message left memory
  bool rotation_wanted_ = false;                              // nothing is forgotten until it is made
};

}  // namespace hikyaku::qmgr
