// smtpd's way into the queue: hands whole messages to cleanup and brings back what became of them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>

#include "ipc/peer.h"
#include "queue/envelope.h"
#include "smtp/reply.h"

namespace hikyaku::smtpd {

// The answer to a message. Without a reply nobody knows whether it will be found in the queue again, and the client is
// hung up on without one: an answer of 4xx would say that the message is not there, and be a lie when it is. The client
// asks again.
struct StoreResult {
  std::optional<smtp::Reply> reply;
  queue::QueueId id;  // when the reply is positive
};
using StoreDone = std::function<void(const StoreResult&)>;

class QueueClient {
 public:
  // `reached` is called each time that a connection to cleanup has come about.
  QueueClient(event::Loop& loop, std::function<void()> reached);

  // Calls `done` later, unless forgotten. Returns the request's number.
  uint64_t submit(const queue::Envelope& envelope, uint32_t flags, std::string_view content, StoreDone done);
  // The client went away: the message goes on, nobody waits for the answer (C6).
  void forget(uint64_t request) { waiting_.erase(request); }
  bool idle() const { return waiting_.empty(); }

 private:
  bool on_frame(ipc::Frame& frame);
  void on_down();
  void finish(uint64_t request, const StoreResult& result);

  std::unordered_map<uint64_t, StoreDone> waiting_;
  uint64_t last_request_ = 0;
  std::string envelope_;  // reused
  event::TurnEnd refuse_;
  std::vector<uint64_t> refused_;  // submitted while cleanup was away
  ipc::Link cleanup_;
};

}  // namespace hikyaku::smtpd
