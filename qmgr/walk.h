// Goes through the queue by id, what is in memory and what rests alike, a piece at a time.
//
// Everything that is there from beginning to end is met exactly once, wherever it moves meanwhile.
#pragma once

#include <optional>
#include <vector>

#include "qmgr/ledger.h"

namespace hikyaku::qmgr {

class Walk {
 public:
  // Of all messages that are there now, also those that cannot be read.
  explicit Walk(Ledger& ledger);
  // Of these, whether they are there or not; each once.
  Walk(Ledger& ledger, std::vector<queue::QueueId> ids);

  // Some may be gone. Nothing at the end. What rests is left out from where the index could not be read: then error()
  // says why.
  std::optional<queue::QueueId> next();
  const std::optional<util::Error>& error() const { return error_; }
  // Roughly how many are still to come; 0 only at the end.
  size_t left();

 private:
  bool fill();

  Ledger* ledger_;
  std::vector<queue::QueueId> ids_;  // in memory when the walk began, or those asked for
  size_t next_id_ = 0;
  std::vector<queue::RestingMessage> rows_;
  size_t next_row_ = 0;
  bool rows_end_ = false;
  std::optional<util::Error> error_;
};

}  // namespace hikyaku::qmgr
