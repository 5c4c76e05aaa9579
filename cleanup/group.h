// The messages of a turn on their way to the disk: appended together, flushed once, then all answered.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "cleanup/config.h"
#include "ipc/messages.h"
#include "ipc/peer.h"
#include "log/logger.h"
#include "os/clock.h"
#include "queue/log_writer.h"

namespace hikyaku::cleanup {

class Group {
 public:
  Group(queue::LogWriter& writer, log::Logger& logger) : writer_(writer), logger_(logger) {}

  // Takes a message up, or refuses it at once. Its frame must be held by the caller until commit(). False: the envelope
  // is malformed.
  bool add(const Config& config, ipc::Peer& from, const ipc::Submit& submit);
  // qmgr's index takes no more: all mail is refused.
  void set_index_room(bool has_room) { index_has_room_ = has_room; }
  bool empty() const { return members_.empty(); }
  uint64_t bytes() const { return writer_.pending_bytes(); }
  // One flush for all. On success they are answered and `appended` tells what qmgr is to know; on failure they are
  // answered 451, or not at all when the log cannot say what became of them.
  bool commit(ipc::Appended& appended);

 private:
  struct Member {
    ipc::Peer* from = nullptr;
    uint64_t request = 0;
    queue::QueueId id;
    queue::Place place;
    std::string_view envelope;
    std::string prepend;  // header fields of ours, before the client's content
  };

  void refuse(ipc::Peer& from, uint64_t request, const smtp::Reply& reply);

  queue::LogWriter& writer_;
  log::Logger& logger_;
  std::deque<Member> members_;  // a deque, because the log's group points into `prepend`
  std::vector<std::string_view> pieces_;
  bool index_has_room_ = true;
  os::Monotonic next_space_warning_{};
};

}  // namespace hikyaku::cleanup
