// Where our other programs are.
#include "os/program_path.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

namespace hikyaku::os {

util::Result<std::string> find_program(std::string_view name) {
  char own[PATH_MAX];
  const ssize_t length = ::readlink("/proc/self/exe", own, sizeof own);
  if (length < 0) return util::system_error("/proc/self/exe", errno);
  const std::string_view path(own, static_cast<size_t>(length));
  const std::string folder(path.substr(0, path.rfind('/')));
  const std::string prefix = folder.substr(0, folder.rfind('/'));
  // From sbin/ the daemons are in ../libexec/hikyaku; from there they are beside.
  for (const std::string& place : {folder, prefix + "/libexec/hikyaku"}) {
    const std::string candidate = fmt::format("{}/{}", place, name);
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return util::permanent(fmt::format("program {} is neither in {} nor in {}/libexec/hikyaku", name, folder, prefix));
}

}  // namespace hikyaku::os
