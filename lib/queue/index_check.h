// Holds the tables of an index against each other. For index and inspection alone.
#pragma once

#include <functional>
#include <string>

#include "queue/index_format.h"
#include "queue/index_tables.h"

namespace hikyaku::queue {

struct IndexListener {
  // Each message that can be read, by ascending id. May be empty.
  std::function<void(const RestingMessage&)> message;
  // Each thing that is wrong, in words; not more than some hundred.
  std::function<void(const std::string&)> problem;
};

// All tables, from their beginning to their end: entries must parse, stand in order and be as many as LMDB counts; what
// is ready, taken, counted and woken must be what the messages say. No change may be committed meanwhile. Returns where
// index and journal were at the last commit.
//
// On a file that is broken LMDB itself may end the process, which is why the inspection has one of its own.
IndexPosition check_tables(MDB_env* environment, const IndexTables& tables, const IndexListener& listener);

}  // namespace hikyaku::queue
