// Which installation a command is about.
#include "ctl/installation.h"

#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "ctl/ask.h"
#include "service/configuration_files.h"
#include "util/error.h"

namespace hikyaku::ctl {

std::string config_directory_of(const std::string& option) {
  const char* variable = std::getenv("MAIL_CONFIG");
  const std::string wanted = !option.empty() ? option : variable != nullptr ? variable : "/etc/hikyaku";
  char full[PATH_MAX];
  if (::realpath(wanted.c_str(), full) == nullptr)
    throw Failure{util::kExitConfig, "configuration directory " + wanted + ": " + std::strerror(errno)};
  return full;
}

config::Configuration read_configuration(const std::string& config_directory) {
  auto read = service::read_configuration_files(config_directory);
  if (!read) throw Failure{util::kExitConfig, read.error().text};
  return std::move(*read);
}

void enter_queue_directory(const std::string& config_directory) {
  const auto configuration = read_configuration(config_directory);
  const auto directory = configuration.settings.expand(configuration.settings.written("queue_directory"));
  if (!directory) throw Failure{util::kExitConfig, "queue_directory: " + directory.error().text};
  if (::chdir(directory->c_str()) == 0) return;
  if (errno == ENOENT || errno == ENOTDIR) throw Failure{util::kExitUnavailable, "the mail system is not running"};
  throw Failure{util::kExitNoPermission, "queue_directory " + *directory + ": " + std::strerror(errno)};
}

}  // namespace hikyaku::ctl
