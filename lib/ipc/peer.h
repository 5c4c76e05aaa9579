// Who is at the other end: a Link goes to a daemon and comes back after that daemon died; a Server takes those that
// come. Both exchange Hello first, so that a peer of another version is named instead of misunderstood.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "event/loop.h"
#include "ipc/channel.h"
#include "ipc/messages.h"
#include "net/stream.h"

namespace hikyaku::ipc {

// What a daemon says of itself in its Hello.
Hello hello_of(Role role);

// A connection to the daemon that listens at `path`, made again (after 20 ms, then up to 1 s) whenever it ends.
class Link final : public ChannelHandler {
 public:
  struct Callbacks {
    std::function<void(Channel&)> up;             // connected and greeted: send what it needs to know
    std::function<bool(Channel&, Frame&)> frame;  // as ChannelHandler::on_frame
    std::function<void(const std::string& reason)> down;
  };

  Link(event::Loop& loop, std::string path, Hello hello, Callbacks callbacks, ChannelLimits limits = {});

  // The channel while it is up, else nullptr.
  Channel* channel() { return up_ ? channel_.get() : nullptr; }
  // Of the peer while it is up.
  const Hello& peer() const { return peer_; }
  // No further attempts; what is up is closed.
  void close();

 private:
  bool on_frame(Channel& channel, Frame& frame) override;
  void on_closed(Channel& channel, const std::string& reason) override;
  void connect();
  void try_later();

  event::Loop& loop_;
  std::string path_;
  Hello hello_, peer_;
  Callbacks callbacks_;
  ChannelLimits limits_;
  std::unique_ptr<Channel> channel_;
  bool up_ = false;
  event::Duration pause_{};
  event::Timer retry_;
};

// One who connected to us.
struct Peer {
  std::unique_ptr<Channel> channel;
  Hello hello;
  bool greeted = false;
};

class Server final : public ChannelHandler {
 public:
  struct Callbacks {
    std::function<void(Peer&)> arrived;
    std::function<bool(Peer&, Frame&)> frame;
    std::function<void(Peer&, const std::string& reason)> gone;  // the Peer is destroyed after it
  };

  Server(event::Loop& loop, os::UniqueFd listening, Hello hello, Callbacks callbacks, ChannelLimits limits = {});

  // Calls `visit` with every greeted peer.
  template <class Visitor>
  void each(Visitor&& visit) {
    for (auto& [channel, peer] : peers_)
      if (peer.greeted) visit(peer);
  }

 private:
  bool on_frame(Channel& channel, Frame& frame) override;
  void on_closed(Channel& channel, const std::string& reason) override;

  event::Loop& loop_;
  Hello hello_;
  Callbacks callbacks_;
  ChannelLimits limits_;
  std::unordered_map<Channel*, Peer> peers_;
  net::Listener listener_;
};

}  // namespace hikyaku::ipc
