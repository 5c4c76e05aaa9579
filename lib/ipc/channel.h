// One end of a Unix stream socket between two daemons: typed frames in both directions, descriptors with them.
//
// A frame is u32 length, u16 type, u16 number of descriptors, payload. What is sent in a turn goes out in one write at
// its end. A frame that is malformed, or longer than the limit, closes this channel and nothing else.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "event/loop.h"
#include "ipc/codec.h"
#include "os/unique_fd.h"

struct msghdr;

namespace hikyaku::ipc {

class Channel;

struct Frame {
  uint16_t type = 0;
  std::string_view payload;  // good until the handler returns, or until Channel::release() after Channel::hold()
  std::vector<os::UniqueFd> descriptors;
};

class ChannelHandler {
 public:
  // Returns whether the frame was understood; false closes the channel (on_closed follows at the turn's end).
  virtual bool on_frame(Channel& channel, Frame& frame) = 0;
  // The peer went away, the socket failed, or a frame was malformed. The handler may destroy the channel in it.
  virtual void on_closed(Channel& channel, const std::string& reason) = 0;

 protected:
  ~ChannelHandler() = default;
};

struct ChannelLimits {
  size_t frame = 64 << 20;   // longest payload taken, bytes: thousands of recipients, each with its reason
  size_t input = 64 << 10;   // usual size of the input buffer, bytes
  size_t output = 64 << 20;  // more than this waiting for a peer that does not read closes the channel
};

class Channel {
 public:
  Channel(event::Loop& loop, os::UniqueFd fd, ChannelHandler& handler, ChannelLimits limits = {});
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  template <class Message>
  void send(const Message& message) {
    const size_t start = begin_frame();
    encode(message, output_);
    end_frame(start, Message::kType, 0);
  }
  // With a duplicate of `descriptor`.
  template <class Message>
  void send(const Message& message, int descriptor) {
    send(message, std::span(&descriptor, 1));
  }
  template <class Message>
  void send(const Message& message, std::span<const int> descriptors) {
    const size_t start = begin_frame();
    encode(message, output_);
    attach(start, descriptors);
    end_frame(start, Message::kType, static_cast<uint16_t>(descriptors.size()));
  }
  // Writes now what would wait for the turn's end.
  void flush();
  // Bytes not yet taken by the kernel.
  size_t waiting() const { return output_.size() - sent_; }

  void stop_reading() { readable_.disable(); }
  void start_reading() {
    if (!failed_) readable_.enable();
  }
  // From now until release(), payloads that were handed out stay where they are, however much is read.
  void hold() { held_ = true; }
  void release();
  // Closes the channel for a frame of `type` that was taken and understood later not to be good, as if the handler had
  // said so at once.
  void reject(uint16_t type);

  int fd() const { return fd_.get(); }

 private:
  struct Attached {
    size_t position;  // in output_
    std::vector<os::UniqueFd> descriptors;
  };

  size_t begin_frame();
  void end_frame(size_t start, uint16_t type, uint16_t descriptors);
  void attach(size_t start, std::span<const int> descriptors);
  void read_ready();
  void make_room();
  void handle_frames();
  bool receive_descriptors(const ::msghdr& message);
  ssize_t send_some();
  void drop_sent();
  void fail(std::string reason);

  os::UniqueFd fd_;
  ChannelHandler& handler_;
  ChannelLimits limits_;
  event::Watch readable_;
  event::Watch writable_;
  event::TurnEnd turn_end_;

  std::string output_;
  size_t sent_ = 0;
  std::deque<Attached> attached_;

  std::unique_ptr<char[]> input_;
  size_t capacity_, begin_ = 0, end_ = 0;
  std::vector<std::unique_ptr<char[]>> retired_;  // former inputs that a held payload may still point into
  std::deque<os::UniqueFd> received_;
  bool held_ = false;
  bool failed_ = false;
  std::string reason_;
  bool* destroyed_ = nullptr;
};

// Two messages with one number would be taken for each other.
template <class... Messages>
consteval bool have_numbers_of_their_own() {
  const uint16_t types[] = {Messages::kType...};
  for (const uint16_t& type : types)
    if (std::ranges::count(types, type) != 1) return false;
  return true;
}

// Decodes the frame as the one of `Messages` that has its type and calls `visit` with it; false when it is none of
// them or malformed.
template <class... Messages, class Visitor>
[[nodiscard]] bool dispatch(const Frame& frame, Visitor&& visit) {
  static_assert(have_numbers_of_their_own<Messages...>());
  bool understood = false;
  const auto try_one = [&]<class Message>() {
    if (frame.type != Message::kType) return false;
    Message message;
    if (decode_all(frame.payload, message)) {
      understood = true;
      visit(message);
    }
    return true;
  };
  (void)(try_one.template operator()<Messages>() || ...);
  return understood;
}

}  // namespace hikyaku::ipc
