// Frames of a channel between daemons, over a real pair of sockets: lib/ipc/channel.h.
//
// Input: a byte (bit 0: two descriptors come with the first bytes, bit 1: payloads are held), a byte (how large the
// second channel's pieces are), then what the peer writes.
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ipc/channel.h"
#include "t/fuzz/input.h"
#include "t/lib/ipc/all_messages.h"

using namespace hikyaku;
using fuzz::promise;

namespace {

constexpr size_t kMostPayload = 600;
constexpr size_t kMostHeld = 5;  // frames

struct HeardFrame {
  uint16_t type = 0;
  std::string payload;
  size_t descriptors = 0;
  bool operator==(const HeardFrame&) const = default;
};

template <class... Messages>
bool understand(const ipc::Frame& frame, ipc::List<Messages...>) {
  return ipc::dispatch<Messages...>(frame, [&](const auto& message) {
    promise(ipc::encoded(message) == frame.payload, "a message, written again, is the same");
  });
}

class End final : public ipc::ChannelHandler {
 public:
  End(hikyaku::event::Loop& loop, os::UniqueFd fd, bool holds)
      : loop_(loop),
        holds_(holds),
        channel_(std::make_unique<ipc::Channel>(loop, std::move(fd), *this,
                                                ipc::ChannelLimits{.frame = kMostPayload, .input = 64})) {}

  bool on_frame(ipc::Channel& channel, ipc::Frame& frame) override {
    promise(!closed_ && frame.payload.size() <= kMostPayload, "no frame beyond the limit, and none behind the end");
    heard.push_back({frame.type, std::string(frame.payload), frame.descriptors.size()});
    for (const os::UniqueFd& fd : frame.descriptors) promise(fd.get() >= 0, "each descriptor is one");
    if (holds_) {
      channel.hold();
      held_.emplace_back(frame.payload, std::string(frame.payload));
      if (held_.size() == kMostHeld) release();
    }
    return understand(frame, ipc::AllMessages{});
  }
  void on_closed(ipc::Channel&, const std::string& why) override {
    promise(!closed_, "it closes once");
    release();
    closed_ = true;
    reason = why;
    channel_.reset();
    loop_.stop();
  }
  bool closed() const { return closed_; }

  std::vector<HeardFrame> heard;
  std::string reason;

 private:
  void release() {
    for (const auto& [view, copy] : held_) promise(view == copy, "what is held stays as it was");
    held_.clear();
    channel_->release();
  }

  hikyaku::event::Loop& loop_;
  bool holds_;
  bool closed_ = false;
  std::vector<std::pair<std::string_view, std::string>> held_;
  std::unique_ptr<ipc::Channel> channel_;
};

void write_piece(int fd, std::string_view bytes, bool with_descriptors) {
  iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  constexpr int kDescriptors[] = {STDIN_FILENO, STDERR_FILENO};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof kDescriptors)] = {};
  if (with_descriptors) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof kDescriptors);
    std::copy_n(reinterpret_cast<const char*>(kDescriptors), sizeof kDescriptors, CMSG_DATA(header));
  }
  promise(::sendmsg(fd, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()), "the peer can write");
}

// What a channel makes of these bytes, and why it closed.
std::pair<std::vector<HeardFrame>, std::string> hear(std::string_view bytes, size_t piece, uint8_t bits) {
  static hikyaku::event::Loop loop;
  int ends[2];
  promise(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0, "a pair of sockets");
  os::UniqueFd peer(ends[0]);
  End end(loop, os::UniqueFd(ends[1]), (bits & 2) != 0);
  int turns = 0;
  loop.after_every_turn([&] {
    if (++turns == 2) loop.stop();  // the first is before the wait
  });
  bool with_descriptors = (bits & 1) != 0;
  fuzz::in_pieces(bytes, piece, [&](std::string_view some) {
    if (end.closed()) return;
    write_piece(peer.get(), some, std::exchange(with_descriptors, false));
    turns = 0;
    loop.run();
  });
  peer.reset();
  loop.after_every_turn({});
  if (!end.closed()) loop.run();
  promise(end.closed(), "it closes when the peer does");
  return {std::move(end.heard), std::move(end.reason)};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const uint8_t bits = input.byte();
  const size_t piece = 1 + input.byte() % 64;
  const std::string_view bytes = input.rest().substr(0, 4096);
  const auto whole = hear(bytes, std::string_view::npos, bits);
  promise(whole == hear(bytes, piece, bits), "the same frames and the same end in pieces");
  return 0;
}
