// The index of a queue at rest, as far as it can be read: for checking it and for saving mail. Reads only, takes no
// lock and leaves no file.
//
// LMDB trusts its file: a broken page can end the process that reads it. So a child process reads, and what it found
// before it died counts.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "queue/index_format.h"

namespace hikyaku::queue {

struct IndexReport {
  std::string file;                   // empty: there is no index
  std::vector<std::string> problems;  // what is wrong with it, in words; LMDB does not tell on which page
  uint64_t messages = 0;              // that could be read
  uint64_t used = 0, map_size = 0;    // bytes; 0 when they could not be read
  IndexPosition position;

  bool intact() const { return problems.empty(); }
};

// Opens the index below `folder`, holds its tables against each other (index_check.h) and gives every message that can
// be read to `visit`, by ascending id. Nobody may write meanwhile. Without `visit` they are only counted.
IndexReport inspect_index(const std::string& folder, const std::function<void(const RestingMessage&)>& visit);

}  // namespace hikyaku::queue
