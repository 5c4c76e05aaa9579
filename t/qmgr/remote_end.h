// A peer of qmgr whose other end is the test's: what qmgr sends it is gathered there.
#pragma once

#include <sys/socket.h>
#include <catch2/catch.hpp>

#include <memory>
#include <string>
#include <vector>

#include "ipc/peer.h"

namespace hikyaku::qmgr {

struct RemoteEnd final : ipc::ChannelHandler {
  RemoteEnd(event::Loop& its_loop, ipc::Role role) : loop(its_loop) {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    peer.channel = std::make_unique<ipc::Channel>(loop, os::UniqueFd(ends[0]), *this);
    static uint64_t made = 0;
    peer.hello = ipc::hello_of(role);
    peer.hello.epoch += ++made;  // each is another process
    peer.greeted = true;
    other = std::make_unique<ipc::Channel>(loop, os::UniqueFd(ends[1]), *this);
  }

  bool on_frame(ipc::Channel&, ipc::Frame& frame) override {
    new_types.push_back(frame.type);
    new_payloads.emplace_back(frame.payload);
    descriptors += frame.descriptors.size();
    return true;
  }
  void on_closed(ipc::Channel&, const std::string& reason) override { FAIL_CHECK(reason); }

  // What has been sent since the last call, by type.
  std::vector<uint16_t> read() {
    peer.channel->flush();
    event::Timer end(loop, [this] { loop.stop(); });
    end.set(std::chrono::milliseconds(1));
    loop.run();
    types = std::exchange(new_types, {});
    payloads = std::exchange(new_payloads, {});
    return types;
  }
  // The last frame of that type in what was read.
  template <class M>
  M last() const {
    M message;
    for (size_t i = types.size(); i-- > 0;) {
      if (types[i] != M::kType) continue;
      REQUIRE(ipc::decode_all(std::string_view(payloads[i]), message));
      return message;
    }
    FAIL("no frame of type " << M::kType);
    return message;
  }

  event::Loop& loop;
  ipc::Peer peer;
  std::unique_ptr<ipc::Channel> other;
  std::vector<uint16_t> types, new_types;
  std::vector<std::string> payloads, new_payloads;
  size_t descriptors = 0;
};

// A frame as it would come from the other end; `storage` must stay as long as it is used.
template <class M>
ipc::Frame frame_of(const M& message, std::string& storage) {
  storage.clear();
  ipc::encode(message, storage);
  return {M::kType, storage, {}};
}

}  // namespace hikyaku::qmgr
