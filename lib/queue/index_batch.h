// Changes of the index inside one transaction. For the index alone.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "queue/index_format.h"
#include "queue/index_tables.h"

namespace hikyaku::queue {

// A message with its differing recipients. Nothing when it is not there; damage is left in the transaction.
std::optional<RestingMessage> read_message(IndexTransaction& transaction, const IndexTables& tables, QueueId id);

// When a domain's first message is due, looking at one message of each of its lanes and groups.
uint32_t find_first_due(IndexTransaction& transaction, const IndexTables& tables, std::string_view domain);

class IndexBatch {
 public:
  IndexBatch(IndexTransaction& transaction, const IndexTables& tables) : transaction_(transaction), tables_(tables) {}

  void apply(const PutMessage& change);
  void apply(const TakeMessage& change);
  void apply(const RemoveMessage& change);
  void apply(const MoveMessage& change);
  void apply(const BlockDomain& change);
  void apply(const IndexPosition& change);
  // Writes the rows of domains and segments, once for all changes. Then the transaction can be committed.
  void finish();

 private:
  struct DomainWork {
    bool existed = false;
    DomainRow before, row;
    bool look_again = false;  // the first one may be gone
  };
  struct SegmentWork {
    int64_t messages = 0, bytes = 0;  // differences
  };

  DomainWork& domain(std::string_view name);
  void add_ready(const ReadyKey& key);
  void remove_ready(const ReadyKey& key);
  void count(const Place& place, int64_t messages);
  // Takes out all that belongs to a message but its own entry.
  void clear(const RestingMessage& message);
  void finish_domain(const std::string& name, DomainWork& work);
  void finish_segment(uint32_t number, const SegmentWork& work);

  IndexTransaction& transaction_;
  const IndexTables& tables_;
  std::map<std::string, DomainWork, std::less<>> domains_;
  std::map<uint32_t, SegmentWork> segments_;
};

}  // namespace hikyaku::queue
