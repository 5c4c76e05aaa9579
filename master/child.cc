// One service process and its replacements.
#include "master/child.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "os/clock.h"
#include "util/error.h"
#include "util/text.h"

namespace hikyaku::master {

namespace {

constexpr event::Duration kBetweenPings = std::chrono::seconds(5);
constexpr event::Duration kLongestSilence = std::chrono::seconds(30);
constexpr event::Duration kLongestStart = std::chrono::minutes(10);      // a long queue takes time to be read
constexpr event::Duration kDrainGrace = std::chrono::milliseconds(500);  // the process keeps the bound itself, mostly

std::string how_it_ended(int status) {
  return WIFSIGNALED(status) ? fmt::format("killed by signal {}", WTERMSIG(status))
                             : fmt::format("exit status {}", WEXITSTATUS(status));
}

}  // namespace

Child::Child(World world, std::string program, std::string program_path, Callbacks callbacks)
    : world_(world),
      program_(std::move(program)),
      program_path_(std::move(program_path)),
      callbacks_(std::move(callbacks)),
      pause_(world.loop, [this] { handle(Event::kPauseOver); }),
      heartbeat_(world.loop, [this] { beat(); }),
      drain_bound_(world.loop, [this] { drain_took_too_long(); }) {}

Child::~Child() { send_kill(); }

void Child::handle(Event event) {
  carry_out(supervisor_.handle(event, os::monotonic_now()));
  callbacks_.changed();
}

void Child::carry_out(const Step& step) {
  switch (step.action) {
    case Action::kNone:
      return;
    case Action::kSpawn:
      return spawn();
    case Action::kSendDrain:
      return send_drain();
    case Action::kKill:
      return send_kill();
    case Action::kRestartLater:
      return pause_.set(step.pause);
    case Action::kForget:
      pause_.cancel();
      drain_bound_.cancel();
      return;
  }
}

void Child::spawn() {
  auto process = master::spawn(world_.launcher, program_path_);
  if (!process) {
    world_.logger.warning(fmt::format("cannot start {}", process.error().text));
    failure_ = Failure{process.error().text, util::kExitSoftware};
    return carry_out(supervisor_.handle(Event::kExited, os::monotonic_now()));
  }
  pid_ = process->pid;
  channel_ = std::make_unique<ipc::Channel>(world_.loop, std::move(process->pipe), *this);
  heartbeat_.set(kLongestStart);
  callbacks_.introduce(*channel_);
}

void Child::drain(event::Duration within) {
  drain_within_ = within;
  handle(Event::kDrain);
}

void Child::send_drain() {
  // Without a pipe (it sent nonsense, or has just died) it hears nothing any more.
  if (!channel_) return send_kill();
  const auto within = std::chrono::duration_cast<std::chrono::milliseconds>(drain_within_);
  channel_->send(ipc::Drain{static_cast<uint32_t>(within.count())});
  drain_bound_.set(drain_within_ + kDrainGrace);
}

void Child::send_kill() {
  if (pid_ <= 0) return;
  killed_ = true;
  ::kill(pid_, SIGKILL);
}

void Child::drain_took_too_long() {
  world_.logger.warning(fmt::format("process {} pid {} did not finish in time and is killed", program_path_, pid_));
  send_kill();
}

void Child::reload(const ipc::Reload& order, int log_fd) {
  if (!channel_) return;
  if (order.log_to_file)
    channel_->send(order, log_fd);
  else
    channel_->send(order);
}

bool Child::reaped(pid_t pid, int status) {
  if (pid != pid_) return false;
  const std::string how = how_it_ended(status);
  const bool as_told = state() == State::kDraining && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  if (!as_told && !killed_)  // why we kill has been told
    world_.logger.warning(fmt::format("process {} pid {} {}", program_path_, pid, how));
  if (state() == State::kStarting && !failure_)
    failure_ = Failure{fmt::format("{} ended before it was ready: {}", program_, how), util::kExitSoftware};
  pid_ = -1;
  killed_ = false;
  channel_.reset();
  heartbeat_.cancel();
  ready_generation_ = 0;
  handle(Event::kExited);
  return true;
}

bool Child::on_frame(ipc::Channel&, ipc::Frame& frame) {
  return ipc::dispatch<ipc::Ready, ipc::CannotRun, ipc::Pong>(frame, [this](const auto& message) { told(message); });
}

void Child::on_closed(ipc::Channel&, const std::string& reason) {
  // The end of a process is told by the system. One that lives on without its pipe cannot be led any more.
  const bool ended = reason == "closed by the peer" || reason.starts_with("read: ") || reason.starts_with("write: ");
  if (!ended) world_.logger.warning(fmt::format("process {} pid {}: {}", program_path_, pid_, reason));
  channel_.reset();
  heartbeat_.set(kDrainGrace);
}

void Child::told(const ipc::Ready& ready) {
  ready_generation_ = ready.generation;
  failure_.reset();
  last_sign_of_life_ = os::monotonic_now();
  if (state() == State::kStarting) heartbeat_.set(kBetweenPings);
  handle(Event::kReady);
}

void Child::told(const ipc::CannotRun& reason) {
  const std::string text = util::escape_for_log(reason.reason);
  world_.logger.warning(fmt::format("process {} pid {} cannot run: {}", program_path_, pid_, text));
  failure_ = Failure{fmt::format("{}: {}", program_, text), reason.exit_code};
}

void Child::told(const ipc::Pong&) { last_sign_of_life_ = os::monotonic_now(); }

void Child::beat() {
  if (!channel_) return send_kill();
  if (state() == State::kStarting || os::monotonic_now() - last_sign_of_life_ > kLongestSilence) {
    const char* what = state() == State::kStarting ? "does not become ready" : "does not answer";
    world_.logger.warning(fmt::format("process {} pid {} {} and is killed", program_path_, pid_, what));
    return handle(Event::kHung);
  }
  channel_->send(ipc::Ping{++pings_});
  heartbeat_.set(kBetweenPings);
}

}  // namespace hikyaku::master
