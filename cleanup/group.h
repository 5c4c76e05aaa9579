// The messages of a turn on their way to the disk: appended together, flushed once, then all answered.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

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

  // Takes a message up, or refuses it at once. Its frame must be held by the caller until commit(). False: the envelope
  // is malformed.
  bool add(const Config& config, ipc::Peer& from, const ipc::Submit& submit);
  // A big one, whose file is written.
  void add(ipc::Peer& from, const ipc::BodyDone& done, IncomingBody body);
  // A copy of a record that stands at `from`, which nobody waits for.
  void add_copy(queue::QueueId id, const queue::Place& from, std::string envelope, std::string content);
  bool empty() const { return members_.empty() && complete_.empty(); }
  uint64_t bytes() const { return writer_.pending_bytes() + bytes_of_bodies_; }
  // One flush for all. On success they are answered and `appended` tells what qmgr is to know; on failure they are
  // answered 451, or not at all when the log cannot say what became of them. The views in `appended` are good until the
  // next commit, and as long as the frames are held.
  bool commit(ipc::Appended& appended);

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

  void append_bodies();
  void append(const Complete& complete, queue::QueueId id);
  void tell_stored(queue::LogPosition before, ipc::Appended& appended);
  void tell_failure();

  queue::LogWriter& writer_;
  queue::BodyFiles& files_;
  Refusals& refusals_;
  log::Logger& logger_;
  std::deque<Member> members_;  // a deque, because the log's group points into `prepend`
  std::deque<Member> told_;     // of the last commit: what was told of them points here
  std::vector<Complete> complete_;
  uint64_t bytes_of_bodies_ = 0;
  std::vector<std::string_view> pieces_;
};

}  // namespace hikyaku::cleanup
