// smtpd's way into the queue: hands messages to cleanup and brings back what became of them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>

#include "ipc/peer.h"
#include "queue/envelope.h"
#include "smtp/reply.h"
#include "smtpd/receive_budget.h"

namespace hikyaku::smtpd {

// The answer to a message. Without a reply nobody knows whether it will be found in the queue again, and the client is
// hung up on without one: an answer of 4xx would say that the message is not there, and be a lie when it is. The client
// asks again.
struct StoreResult {
  std::optional<smtp::Reply> reply;
  queue::QueueId id;  // when the reply is positive
};
using StoreDone = std::function<void(const StoreResult&)>;
using BodyGiven = std::function<void(os::UniqueFd)>;

class QueueClient {
 public:
  // `reached` is called each time that a connection to cleanup has come about. What is under way counts in `budget`.
  QueueClient(event::Loop& loop, ReceiveBudget& budget, std::function<void()> reached);

  // These call `done` later, unless forgotten, and return the request's number.

  uint64_t submit(const queue::Envelope& envelope, uint32_t flags, std::string_view content, StoreDone done);
  // A message whose body goes into a file: `given` gets it, then complete_body() or drop_body() follows. `done` may
  // also come first, with a refusal: then the request is over. `head`: the content up to where the file goes on.
  // `expected`: bytes of content as its sender announced them, or 0.
  uint64_t begin_body(const queue::Envelope& envelope, uint64_t expected, std::string_view head, BodyGiven given,
                      StoreDone done);
  void complete_body(uint64_t request, uint64_t length, uint32_t crc, uint32_t flags);
  void drop_body(uint64_t request);
  // One that cleanup need not be asked about.
  uint64_t refuse(smtp::Reply reply, StoreDone done);

  // The client went away: the message goes on, nobody waits for the answer (C6).
  void forget(uint64_t request);

 private:
  struct Waiting {
    StoreDone done;  // empty when forgotten
    BodyGiven given;
    size_t bytes = 0;    // in memory
    bool whole = false;  // cleanup has all of it: it may be stored without our knowing
  };

  bool on_frame(ipc::Frame& frame);
  bool on_body_file(ipc::Frame& frame);
  void on_down();
  void refuse_later(uint64_t request, smtp::Reply reply);
  void finish(uint64_t request, const StoreResult& result);

  ReceiveBudget& budget_;
  std::unordered_map<uint64_t, Waiting> waiting_;
  uint64_t last_request_ = 0;
  std::string envelope_;  // reused
  event::TurnEnd refuse_;
  std::vector<std::pair<uint64_t, smtp::Reply>> refused_;
  ipc::Link cleanup_;
};

}  // namespace hikyaku::smtpd
