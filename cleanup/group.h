// Messages on their way to the disk: appended together, flushed once, then all answered.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "cleanup/commit_policy.h"
#include "cleanup/config.h"
#include "cleanup/incoming_bodies.h"
#include "cleanup/refusals.h"
#include "ipc/messages.h"
#include "ipc/peer.h"
#include "log/logger.h"
#include "queue/body_files.h"
#include "queue/log_writer.h"

namespace hikyaku::cleanup {

class Group {
 public:
  Group(queue::LogWriter& writer, queue::BodyFiles& files, Refusals& refusals, log::Logger& logger)
      : writer_(writer), files_(files), refusals_(refusals), logger_(logger) {}

  // Takes a message up, or refuses it at once. Its frame must be held by the caller until end(). False: the envelope is
  // malformed.
  bool add(const Config& config, ipc::Peer& from, const ipc::Submit& submit);
  // A big one, whose file is written.
  void add(ipc::Peer& from, const ipc::BodyDone& done, IncomingBody body);
  // A copy of a record that stands at `from`, which nobody waits for.
  void add_copy(queue::QueueId id, const queue::Place& from, std::string envelope, std::string content);
  bool empty() const { return members_.empty() && complete_.empty(); }
  // Without copies: nobody waits for them.
  GroupSize size() const {
    return {members_.size() - copies_ + complete_.size(), complete_.size(), writer_.pending_bytes()};
  }
  uint64_t bytes() const { return writer_.pending_bytes() + bytes_of_bodies_; }

  // One flush for all, in three steps. Between the first and the last nothing else of the group or of its writer may be
  // used, nor the frames be released.
  void begin();
  // The only one that blocks, and the only one that may run in another thread.
  void flush();
  // Whoever is durable is answered; on success `appended` tells what qmgr is to know. On failure all are answered 451,
  // or not at all when the log cannot say what became of them. The views in `appended` are good until the next end(),
  // and as long as the frames are held.
  bool end(ipc::Appended& appended);
  // What flush() took.
  std::chrono::microseconds took() const { return took_; }

 private:
  struct Member {
    ipc::Peer* from = nullptr;  // nobody, for a copy
    uint64_t request = 0;
    queue::QueueId id;
    queue::Place place;
    std::string_view envelope;
    std::string prepend;         // content of ours, before the client's
    std::string owned_envelope;  // when the frame has gone
  };
  struct Complete {
    ipc::Peer* from = nullptr;
    ipc::BodyDone done;
    IncomingBody body;
  };

  void append(const Complete& complete, queue::QueueId id);
  void end_bodies();
  void tell_stored(ipc::Appended& appended);
  void tell_failure();

  queue::LogWriter& writer_;
  queue::BodyFiles& files_;
  Refusals& refusals_;
  log::Logger& logger_;
  std::deque<Member> members_;  // a deque, because the log's group points into `prepend`
  std::deque<Member> told_;     // of the last flush: what was told of them points here
  size_t copies_ = 0;           // of the members
  std::vector<Complete> complete_;
  uint64_t bytes_of_bodies_ = 0;

  // Of the flush at hand.
  std::vector<queue::BodyFiles::Finished> files_at_hand_;  // one for each of complete_
  queue::LogPosition before_;
  util::Result<void> flushed_;
  std::chrono::microseconds took_{};
  std::vector<std::string_view> pieces_;
};

}  // namespace hikyaku::cleanup
