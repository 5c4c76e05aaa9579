// A question to a daemon that runs, and its answers: blocking, with a bound in time.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "event/loop.h"
#include "ipc/channel.h"
#include "ipc/messages.h"
#include "os/unique_fd.h"
#include "util/error.h"

namespace hikyaku::ctl {

// A command ends with this: what goes to standard error, and the exit code.
struct Failure {
  int exit_code = 0;
  std::string text;
};

enum class Next { kMore, kDone, kMalformed };

class Question final : public ipc::ChannelHandler {
 public:
  // Connects to the Unix socket `path`, relative to the working directory. Throws Failure: 69 "not running" when nobody
  // listens, 77 when we may not ask. `who` is named in messages.
  Question(std::string path, std::string who);

  // Sends `question` and hands each frame that comes back to `answered` until it says kDone. Throws Failure when the
  // other side goes away or says nothing for longer than `silence`.
  template <class Message>
  void ask(const Message& question, std::chrono::milliseconds silence, std::function<Next(ipc::Frame&)> answered) {
    channel_.send(question);
    wait(silence, std::move(answered));
  }
  // The same where one answer comes.
  template <class Answer, class Message>
  Answer ask_for(const Message& question, std::chrono::milliseconds silence) {
    Answer answer;
    ask(question, silence, [&](ipc::Frame& frame) {
      return frame.type == Answer::kType && ipc::decode_all(frame.payload, answer) ? Next::kDone : Next::kMalformed;
    });
    return answer;
  }

 private:
  bool on_frame(ipc::Channel& channel, ipc::Frame& frame) override;
  void on_closed(ipc::Channel& channel, const std::string& reason) override;
  void wait(std::chrono::milliseconds silence, std::function<Next(ipc::Frame&)> answered);
  void fail(int exit_code, const std::string& text);

  std::string who_;
  event::Loop loop_;
  ipc::Channel channel_;
  event::Deadline deadline_;
  std::chrono::milliseconds silence_{};
  std::function<Next(ipc::Frame&)> answered_;
  bool greeted_ = false;
  Failure failure_;
};

}  // namespace hikyaku::ctl
