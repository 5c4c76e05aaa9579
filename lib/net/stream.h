// A connected socket in a loop: bytes come as they arrive, bytes go out at once or when the socket takes them, and one
// deadline watches. Who holds a Stream may destroy it inside any of its callbacks.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "event/loop.h"
#include "os/unique_fd.h"

namespace hikyaku::net {

class StreamHandler {
 public:
  // The bytes are good until it returns: what is still needed later is the handler's to keep.
  virtual void on_bytes(std::string_view bytes) = 0;
  // The peer ended the connection (`error` 0) or it failed (an errno value). Nothing more comes or goes.
  virtual void on_closed(int error) = 0;
  // All that was to be sent has been handed to the kernel, after some of it had to wait.
  virtual void on_drained() {}
  virtual void on_deadline() = 0;

 protected:
  ~StreamHandler() = default;
};

class Stream {
 public:
  // Reads nothing until start_reading().
  Stream(event::Loop& loop, os::UniqueFd fd, StreamHandler& handler);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // Waits for a connection that was started (net::connect_tcp); `done` gets 0 or an errno value.
  void await_connection(std::function<void(int error)> done);
  void start_reading() { readable_.enable(); }
  // Bytes stay in the kernel, and so slow down their sender, until reading is started again.
  void stop_reading() { readable_.disable(); }

  void send(std::string_view bytes) { send(std::span(&bytes, 1)); }
  // In order, in one system call where the socket takes them; the rest is copied and sent later.
  void send(std::span<const std::string_view> pieces);
  size_t waiting() const { return output_.size() - sent_; }

  void set_deadline(event::Duration from_now) { deadline_.set(from_now); }
  void cancel_deadline() { deadline_.cancel(); }
  int fd() const { return fd_.get(); }

 private:
  void read_ready();
  void write_ready();
  void fail(int error);

  os::UniqueFd fd_;
  StreamHandler& handler_;
  event::Watch readable_;
  event::Watch writable_;
  event::Deadline deadline_;
  std::function<void(int)> connected_;
  std::string output_;
  size_t sent_ = 0;
  int failed_ = 0;
  event::TurnEnd failure_;  // a failed send is told at the turn's end, never inside send()
};

// Accepts connections from a listening socket. Out of descriptors it rests for a second instead of spinning.
class Listener {
 public:
  Listener(event::Loop& loop, os::UniqueFd fd, std::function<void(os::UniqueFd)> accepted);

 private:
  void accept_some();

  os::UniqueFd fd_;
  std::function<void(os::UniqueFd)> accepted_;
  event::Watch readable_;
  event::Timer rest_;
};

}  // namespace hikyaku::net
