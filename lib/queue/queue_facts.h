// What index and journal say of each message, kept for those who look at a queue at rest. Memory only.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "queue/index_format.h"
#include "queue/journal_format.h"
#include "queue/place.h"
#include "queue/queue_id.h"

namespace hikyaku::queue {

// One recipient's state; a recipient of which nobody speaks is as it was accepted.
struct RecipientFact {
  bool done = false;
  bool failed = false;  // given up for good; the sender was not told yet
  uint32_t attempts = 0;
  std::string enhanced_code, reply;  // of the last answer
};

struct HoldFact {
  bool held = false;
  std::string reason;  // when it was not an operator

  bool operator==(const HoldFact&) const = default;
};

// The index is heard first: the journal is newer, and its records are absolute (README.md, "Start").
class QueueFacts {
 public:
  // A message that rests, or was taken and did not end.
  void hear(const RestingMessage& resting);
  void hear(const JournalRecord& record);
  // Something was lost: a message is then taken for alive unless what is left says that it is gone.
  void distrust() { whole_ = false; }
  // The same of the messages in one segment: no checkpoint says that they were ever read.
  void distrust(uint32_t segment) { unread_.insert(segment); }

  // Whether a record at `place` is a message that still waits, as qmgr would find it at its next start. Where the log
  // has one twice (a copy made by reclaim), both are.
  bool is_alive(QueueId id, const Place& place) const;
  HoldFact hold(QueueId id) const;
  // Of a message with so many recipients.
  std::vector<RecipientFact> recipients(QueueId id, size_t count) const;

  // Messages that wait, told by their place, and where that is.
  std::map<QueueId, Place> waiting() const;
  // The nonces of segments, as far as there was told of a message in them.
  const std::map<uint32_t, uint64_t>& nonces() const { return nonces_; }

 private:
  struct Told {
    bool completed = false;
    HoldFact hold;
    std::optional<Place> place;
    RecipientFact others;  // of each recipient that is not named below
    std::map<uint32_t, RecipientFact> recipients;
  };
  Told& of(QueueId id) { return told_[id.value]; }
  const Told* find(QueueId id) const;
  RecipientFact& recipient(QueueId id, uint32_t index);
  void place(QueueId id, const Place& place);
  void take(const RecipientDone& done);
  void take(const Deferred& deferred);

  bool whole_ = true;
  std::set<uint32_t> unread_;
  LogPosition checkpoint_;
  std::unordered_map<uint64_t, Told> told_;
  std::map<uint32_t, uint64_t> nonces_;
};

}  // namespace hikyaku::queue
