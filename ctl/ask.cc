// A question to a daemon that runs.
#include "ctl/ask.h"

#include <unistd.h>

#include <cerrno>
#include <utility>

#include "ipc/peer.h"
#include "net/socket.h"

namespace hikyaku::ctl {

namespace {

// A message has many recipients, each with its reason, and comes in one frame.
constexpr size_t kLongestAnswer = 64 << 20;

os::UniqueFd connect_to(const std::string& path, const std::string& who) {
  auto fd = net::connect_unix(path);
  if (fd) return std::move(*fd);
  if (::access(path.c_str(), R_OK | W_OK) != 0 && errno == EACCES)
    throw Failure{util::kExitNoPermission, who + ": no permission to ask it; try as root"};
  // A missing socket and one that nobody listens at mean the same to an operator.
  throw Failure{util::kExitUnavailable, who + " is not running"};
}

}  // namespace

Question::Question(std::string path, std::string who)
    : who_(std::move(who)),
      channel_(loop_, connect_to(path, who_), *this, {.frame = kLongestAnswer}),
      deadline_(loop_, [this] { fail(util::kExitTryAgain, "does not answer"); }) {
  channel_.send(ipc::hello_of(ipc::Role::kControl));
}

void Question::wait(std::chrono::milliseconds silence, std::function<Next(ipc::Frame&)> answered) {
  silence_ = silence;
  answered_ = std::move(answered);
  deadline_.set(silence);
  loop_.run();
  deadline_.cancel();
  if (failure_.exit_code != 0) throw failure_;
}

bool Question::on_frame(ipc::Channel&, ipc::Frame& frame) {
  deadline_.set(silence_);
  if (!greeted_) {
    ipc::Hello hello;
    if (frame.type != ipc::Hello::kType || !ipc::decode_all(frame.payload, hello)) return false;
    if (hello.version != ipc::kProtocolVersion)
      fail(util::kExitSoftware, "is of another version than this command; stop and start it");
    greeted_ = true;
    return true;
  }
  const Next next = answered_(frame);
  if (next == Next::kDone) loop_.stop();
  return next != Next::kMalformed;
}

void Question::on_closed(ipc::Channel&, const std::string& reason) {
  fail(util::kExitUnavailable, "went away: " + reason);
}

void Question::fail(int exit_code, const std::string& text) {
  failure_ = {exit_code, who_ + " " + text};
  loop_.stop();
}

}  // namespace hikyaku::ctl
