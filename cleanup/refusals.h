// How a message is refused.
#pragma once

#include <cstdint>

#include "ipc/peer.h"
#include "log/logger.h"
#include "os/clock.h"
#include "smtp/reply.h"

namespace hikyaku::cleanup {

class Refusals {
 public:
  explicit Refusals(log::Logger& logger) : logger_(logger) {}

  void refuse(ipc::Peer& from, uint64_t request, const smtp::Reply& reply);
  // 452 4.3.1, and a warning once a minute.
  void refuse_for_space(ipc::Peer& from, uint64_t request);

  // qmgr's index takes no more: all mail is to be refused for space.
  void set_index_room(bool has_room) { index_has_room_ = has_room; }
  bool index_has_room() const { return index_has_room_; }

 private:
  log::Logger& logger_;
  bool index_has_room_ = true;
  os::Monotonic next_warning_{};
};

inline const smtp::Reply kWriteError{451, "4.3.0", "Error: queue file write error"};

}  // namespace hikyaku::cleanup
