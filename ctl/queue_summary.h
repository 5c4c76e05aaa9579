// queue summary: what waits for which domain, since when, and why. Pure but for the command itself.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ctl/queue.h"
#include "ipc/messages.h"

namespace hikyaku::ctl {

// Upper ends of the columns of ages, in minutes; a last column has all that is older.
inline constexpr std::array<int64_t, 9> kAges = {5, 10, 20, 40, 80, 160, 320, 640, 1280};

class QueueSummary {
 public:
  // Counts the recipients of an entry that are not done; `now` in seconds since 1970. Entry by entry: a long queue is
  // never in memory.
  void add(const ipc::QueueEntry& entry, int64_t now);

  // The table as qshape draws it, the largest first, and below each domain what was said most often.
  std::string text() const;
  std::string json() const;
  // What of the queue is not in it.
  void set_unread(ipc::Unread unread) { unread_ = std::move(unread); }

 private:
  struct Row {
    uint64_t total = 0;
    std::array<uint64_t, kAges.size() + 1> by_age{};
    std::unordered_map<std::string, uint64_t> reasons;

    void count(size_t age);
    // The most frequent one, and how often; empty when nothing was said.
    std::pair<std::string, uint64_t> reason() const;
  };
  std::vector<std::pair<std::string, const Row*>> rows() const;

  Row all_;
  ipc::Unread unread_;
  std::map<std::string, Row> destinations_;
};

int summarize_queue(const std::string& config_directory, const Chosen& filters, bool json);

}  // namespace hikyaku::ctl
