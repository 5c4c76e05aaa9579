// Frames that come while the log is being flushed in a thread: copied, in their order, and taken up when it is done.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "ipc/peer.h"

namespace hikyaku::cleanup {

class DeferredFrames {
 public:
  struct Deferred {
    ipc::Peer* from = nullptr;
    uint16_t type = 0;
    std::string payload;
  };

  // Copies a frame. A peer that has made it more than `most` bytes is read no further until resume_reading().
  void add(ipc::Peer& from, const ipc::Frame& frame, size_t most);
  bool empty() const { return frames_.empty(); }
  // Messages that wait to be stored.
  size_t messages() const { return messages_; }
  // The first of them goes to the frames that are kept, where it stays until release().
  const Deferred& take_first();
  // What was taken is not pointed into any more.
  void release() { taken_.clear(); }
  void resume_reading();
  // This peer is going, and nothing of it waits.
  void forget(ipc::Peer& peer) { std::erase(stopped_, &peer); }

 private:
  std::deque<Deferred> frames_, taken_;  // deques: what points into them must stay good
  size_t bytes_ = 0, messages_ = 0;
  std::vector<ipc::Peer*> stopped_;
};

}  // namespace hikyaku::cleanup
