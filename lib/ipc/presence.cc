// A worker's sign of life.
#include "ipc/presence.h"

#include <dirent.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <memory>
#include <optional>
#include <string_view>

#include "os/file_lock.h"

namespace hikyaku::ipc {

namespace {

std::string path_of(const std::string& folder, ProcessName name) {
  return fmt::format("{}/{:x}-{}", folder, name.epoch, name.pid);
}

std::optional<ProcessName> parse(std::string_view text) {
  ProcessName name;
  const char* const end = text.data() + text.size();
  const auto epoch = std::from_chars(text.data(), end, name.epoch, 16);
  if (epoch.ec != std::errc() || epoch.ptr == end || *epoch.ptr != '-') return std::nullopt;
  const auto pid = std::from_chars(epoch.ptr + 1, end, name.pid);
  if (pid.ec != std::errc() || pid.ptr != end || name.pid <= 0) return std::nullopt;
  return name;
}

}  // namespace

Presence::Presence(const std::string& folder, ProcessName name) : path_(path_of(folder, name)) {
  auto lock = os::lock_own(path_);
  if (!lock) throw util::StartupError(lock.error().text, util::kExitUnavailable);
  lock_ = std::move(*lock);
}

// A file that stays is removed by qmgr: no harm, but for a line in the log.
void Presence::leave() { (void)::unlink(path_.c_str()); }

util::Result<std::vector<ProcessName>> processes_present(const std::string& folder) {
  const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(folder.c_str()), &::closedir);
  if (!open) return util::system_error("open " + folder, errno);
  std::vector<ProcessName> names;
  while (const dirent* entry = ::readdir(open.get()))
    if (const auto name = parse(entry->d_name)) names.push_back(*name);
  return names;
}

bool is_alive(const std::string& folder, ProcessName name) {
  const auto gone = os::remove_unlocked(path_of(folder, name));
  return !gone || !*gone;
}

}  // namespace hikyaku::ipc
