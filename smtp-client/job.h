// A message to deliver, from qmgr's word to the answer; and what that answer says.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "event/loop.h"
#include "ipc/messages.h"
#include "os/unique_fd.h"

namespace hikyaku::smtp_client {

struct Job {
  // A copy of qmgr's frame, into which the views of `deliver` point: one allocation for all texts.
  std::string frame;
  ipc::Deliver deliver;
  os::UniqueFd body;    // of a message that has one
  uint64_t number = 0;  // ours, unique in this process
  event::Monotonic received{};
  event::Duration waited_before{};  // since qmgr took it up, until it was received

  Job() = default;
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  // Nothing when the payload is malformed.
  static std::unique_ptr<Job> from_frame(std::string_view payload, uint64_t number, event::Monotonic now) {
    auto job = std::make_unique<Job>();
    job->frame = payload;
    job->number = number;
    job->received = now;
    return ipc::decode_all(job->frame, job->deliver) && !job->deliver.recipients.empty() ? std::move(job) : nullptr;
  }
};

// What became of one recipient.
struct Verdict {
  ipc::Outcome outcome = ipc::Outcome::kDeferred;
  std::string status;      // enhanced status code, never empty
  std::string remote_mta;  // the host that said so, empty when none did
  std::string text;        // as logged, without the parentheses
};

// How an attempt went, for the log.
struct AttemptFacts {
  std::string_view relay = "none";  // "host[ip]:port"
  unsigned connection_uses = 1;
  event::Monotonic begun{};      // the job was given to its connection, or given up
  event::Duration connecting{};  // of the time before, what went into setting up the connection
  bool in_doubt = false;
  bool passed_on = false;  // the next hop tells the sender of success
};

// Who gave the jobs and gets them back.
class JobSink {
 public:
  // One verdict for each recipient, in their order; or a single one for all.
  virtual void finished(std::unique_ptr<Job> job, const AttemptFacts& facts, const std::vector<Verdict>& verdicts) = 0;
  // No attempt was made.
  virtual void returned(std::unique_ptr<Job> job, std::string_view reason) = 0;

 protected:
  ~JobSink() = default;
};

}  // namespace hikyaku::smtp_client
