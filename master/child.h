// One service process and its replacements: carries out what its Supervisor decides.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "event/loop.h"
#include "ipc/channel.h"
#include "ipc/messages.h"
#include "log/logger.h"
#include "master/process.h"
#include "master/supervisor.h"

namespace hikyaku::master {

class Child final : public ipc::ChannelHandler {
 public:
  struct World {
    event::Loop& loop;
    log::Logger& logger;
    const Launcher& launcher;
  };
  struct Callbacks {
    std::function<void(ipc::Channel&)> introduce;  // a new process waits for its ipc::Start
    std::function<void()> changed;                 // look at state(), failure() again; never destroys a Child
  };
  // Why a process ended before it was ready.
  struct Failure {
    std::string reason;
    int exit_code = 0;
  };

  Child(World world, std::string program, std::string program_path, Callbacks callbacks);
  // A process that still runs is killed.
  ~Child();

  void start() { handle(Event::kStart); }
  // Said again, it moves the time when the process is killed.
  void drain(event::Duration within);
  void kill() { handle(Event::kKill); }
  // For a program that stays over a reload. A process that is not there is told when it starts.
  void reload(const ipc::Reload& order, int log_fd);
  // Tells of a process that was reaped; whether it was this one.
  bool reaped(pid_t pid, int status);

  const std::string& program() const { return program_; }
  State state() const { return supervisor_.state(); }
  uint64_t restarts() const { return supervisor_.restarts(); }
  pid_t pid() const { return pid_; }  // -1: none
  // Of the configuration that the process works with; 0 until it is ready.
  uint64_t ready_generation() const { return ready_generation_; }
  // Since the last kReady.
  const std::optional<Failure>& failure() const { return failure_; }

 private:
  bool on_frame(ipc::Channel& channel, ipc::Frame& frame) override;
  void on_closed(ipc::Channel& channel, const std::string& reason) override;
  void told(const ipc::Ready& ready);
  void told(const ipc::CannotRun& reason);
  void told(const ipc::Pong& pong);
  void handle(Event event);
  void carry_out(const Step& step);
  void spawn();
  void send_drain();
  void send_kill();
  void drain_took_too_long();
  void beat();

  World world_;
  std::string program_, program_path_;
  Callbacks callbacks_;
  Supervisor supervisor_;
  pid_t pid_ = -1;
  bool killed_ = false;  // by us
  std::unique_ptr<ipc::Channel> channel_;
  event::Timer pause_;
  event::Timer heartbeat_;
  event::Timer drain_bound_;
  event::Duration drain_within_{};
  event::Monotonic last_sign_of_life_{};
  uint64_t pings_ = 0;
  uint64_t ready_generation_ = 0;
  std::optional<Failure> failure_;
};

}  // namespace hikyaku::master
