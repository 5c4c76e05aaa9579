// The two configuration files of a directory.
#include "service/configuration_files.h"

#include <unistd.h>

#include "os/file.h"

namespace hikyaku::service {

util::Result<config::Configuration> read_configuration_files(const std::string& directory) {
  const auto main_cf = os::read_file(directory + "/main.cf");
  if (!main_cf) return std::unexpected(main_cf.error());
  const auto master_cf = os::read_file(directory + "/master.cf");
  if (!master_cf) return std::unexpected(master_cf.error());
  char host_name[256] = {};
  if (::gethostname(host_name, sizeof host_name - 1) != 0) host_name[0] = '\0';
  return config::read_configuration(*main_cf, *master_cf, host_name, directory);
}

std::string lines_of(const config::Problems& problems, bool warnings) {
  std::string lines;
  for (const config::Problem& problem : problems)
    if (warnings || !problem.warning) lines += config::to_line(problem) + "\n";
  return lines;
}

}  // namespace hikyaku::service
