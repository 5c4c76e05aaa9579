// The main function of every daemon: it is born with a pipe to master, is told over it what it is to be, says when it
// is ready, drains when asked, and ends when master does.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "config/settings.h"
#include "event/loop.h"
#include "log/logger.h"
#include "os/unique_fd.h"

namespace hikyaku::service {

// The descriptor of the pipe to master in every daemon.
inline constexpr int kMasterPipe = 3;

struct GivenListener {
  bool internet = true;
  std::string address;  // as configured
  os::UniqueFd fd;
};

// What a daemon works with. The working directory is the queue directory.
class Context {
 public:
  virtual ~Context() = default;

  virtual event::Loop& loop() = 0;
  virtual log::Logger& logger() = 0;
  virtual const config::Settings& settings() const = 0;
  virtual const std::string& service() const = 0;  // "relay", "qmgr" …
  virtual std::vector<GivenListener>& listeners() = 0;
  // Tells master that the daemon does its work from now on. For those that need no more than being made it is called
  // by run(); a daemon that must first recover returns false from Daemon::ready_at_once() and calls it itself.
  virtual void ready() = 0;
  // The daemon cannot do its work: master is told the reason, and the process ends.
  virtual void fail(const std::string& reason, int exit_code) = 0;
  // All is done after drain(): ends the process.
  virtual void finish() = 0;
};

class Daemon {
 public:
  virtual ~Daemon() = default;
  virtual bool ready_at_once() const { return true; }
  // The settings have changed; called only for daemons that stay over a reload.
  virtual void reload(const config::Settings&) {}
  // Take nothing new, finish what is in hand, then call Context::finish(). After `within` run() ends the process
  // anyway. Called again when less time is left than was said before.
  virtual void drain(event::Duration within) = 0;
};

// `make` may throw util::StartupError: master is told the reason. Returns the exit code of the process. With the option
// "--run-as UID:GID", which a master that is root gives, the process becomes that user before it does anything else.
int run(int argc, char** argv, const std::function<std::unique_ptr<Daemon>(Context&)>& make);

}  // namespace hikyaku::service
