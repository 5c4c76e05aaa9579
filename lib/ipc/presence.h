// A worker's sign of life: a file that it holds locked as long as it lives. So qmgr can tell a process that is dead,
// and will never say what came of its work, from one that is only not connected.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "ipc/messages.h"
#include "os/unique_fd.h"
#include "util/error.h"

namespace hikyaku::ipc {

// Below the queue directory.
inline constexpr char kWorkersFolder[] = "workers";

// A process, also after its number has been given to another one.
struct ProcessName {
  uint64_t epoch = 0;
  int32_t pid = 0;
  auto operator<=>(const ProcessName&) const = default;
};
inline ProcessName name_of(const Hello& hello) { return {hello.epoch, hello.pid}; }

// The worker's side. It must be there before the worker connects to qmgr.
class Presence {
 public:
  // Throws util::StartupError when the file cannot be made.
  Presence(const std::string& folder, ProcessName name);
  // An orderly end: nothing is in hand, and nobody needs to wonder.
  void leave();

 private:
  std::string path_;
  os::UniqueFd lock_;
};

// qmgr's side. Those of whom there is a sign, living or dead.
util::Result<std::vector<ProcessName>> processes_present(const std::string& folder);
// The sign of a dead one is removed. One that cannot be looked at is taken for alive: to wait is always safe.
bool is_alive(const std::string& folder, ProcessName name);

}  // namespace hikyaku::ipc
