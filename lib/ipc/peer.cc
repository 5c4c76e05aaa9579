// Links to daemons and servers for them.
#include "ipc/peer.h"

#include <unistd.h>

#include <algorithm>

#include "net/socket.h"
#include "os/clock.h"

namespace hikyaku::ipc {

namespace {

constexpr event::Duration kFirstPause = std::chrono::milliseconds(20);
constexpr event::Duration kLongestPause = std::chrono::seconds(1);

bool take_hello(const Frame& frame, Hello& hello) {
  return frame.type == Hello::kType && decode_all(frame.payload, hello) && hello.version == kProtocolVersion;
}

}  // namespace

Hello hello_of(Role role) {
  return {kProtocolVersion, role, static_cast<uint64_t>(os::wall_now().time_since_epoch().count()),
          static_cast<int32_t>(::getpid())};
}

Link::Link(event::Loop& loop, std::string path, Hello hello, Callbacks callbacks, ChannelLimits limits)
    : loop_(loop),
      path_(std::move(path)),
      hello_(hello),
      callbacks_(std::move(callbacks)),
      limits_(limits),
      retry_(loop, [this] { connect(); }) {
  retry_.set({});
}

void Link::connect() {
  auto fd = net::connect_unix(path_);
  if (!fd) return try_later();
  channel_ = std::make_unique<Channel>(loop_, std::move(*fd), *this, limits_);
  channel_->send(hello_);
}

void Link::try_later() {
  pause_ = std::clamp(pause_ * 2, kFirstPause, kLongestPause);
  retry_.set(pause_);
}

bool Link::on_frame(Channel& channel, Frame& frame) {
  if (up_) return callbacks_.frame(channel, frame);
  if (!take_hello(frame, peer_)) return false;
  up_ = true;
  pause_ = {};
  callbacks_.up(channel);
  return true;
}

void Link::on_closed(Channel&, const std::string& reason) {
  const bool was_up = std::exchange(up_, false);
  channel_.reset();
  try_later();
  if (was_up) callbacks_.down(reason);
}

void Link::close() {
  up_ = false;
  channel_.reset();
  retry_.cancel();
}

Server::Server(event::Loop& loop, os::UniqueFd listening, Hello hello, Callbacks callbacks, ChannelLimits limits)
    : loop_(loop),
      hello_(hello),
      callbacks_(std::move(callbacks)),
      limits_(limits),
      listener_(loop, std::move(listening), [this](os::UniqueFd fd) {
        auto channel = std::make_unique<Channel>(loop_, std::move(fd), *this, limits_);
        channel->send(hello_);
        Channel* key = channel.get();
        peers_[key].channel = std::move(channel);
      }) {}

bool Server::on_frame(Channel& channel, Frame& frame) {
  Peer& peer = peers_.at(&channel);
  if (peer.greeted) return callbacks_.frame(peer, frame);
  if (!take_hello(frame, peer.hello)) return false;
  peer.greeted = true;
  callbacks_.arrived(peer);
  return true;
}

void Server::on_closed(Channel& channel, const std::string& reason) {
  const auto found = peers_.find(&channel);
  if (found->second.greeted) callbacks_.gone(found->second, reason);
  peers_.erase(found);
}

}  // namespace hikyaku::ipc
