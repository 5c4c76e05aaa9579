// Which connection a job gets, and when another one is worth opening. Pure.
//
// A few warm connections with several jobs each are cheaper than many with one: the end of one message and the next
// MAIL share a send. But a next hop that takes its time for each message needs more of them, and its jobs are known by
// their waiting.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "event/loop.h"

namespace hikyaku::smtp_client {

// Opened as soon as jobs wait.
inline constexpr size_t kWarmConnections = 4;
// More only for jobs that have waited so long.
inline constexpr event::Duration kLongWait = std::chrono::milliseconds(20);

struct Demand {
  size_t waiting = 0;      // jobs without a connection
  size_t opening = 0;      // connections that are being made
  size_t connections = 0;  // all, these included
  size_t limit = 1;
  event::Duration longest_wait{};  // of the jobs
};

// How many to open now.
size_t connections_to_open(const Demand& demand);

enum class Freedom {
  kIdle,      // nothing runs on it
  kFinishing  // the content of its last job is sent, the reply is outstanding: the next MAIL may be sent behind it
};

inline constexpr size_t kNone = static_cast<size_t>(-1);
// The index of the connection for the next job, in the order in which they became free; kNone: the job waits. The one
// last used is the least likely to have been closed by the server. A finishing one would hold the job up behind its
// reply, so it is taken only when the warm ones are all there.
size_t connection_for_job(std::span<const Freedom> free, size_t connections, size_t limit);

}  // namespace hikyaku::smtp_client
