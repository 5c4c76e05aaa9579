// check.
#include "ctl/check.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdio>

#include "ctl/installation.h"
#include "service/configuration_files.h"
#include "util/error.h"

namespace hikyaku::ctl {

namespace {

// Only root can give the daemons another user: to everyone else the key does not matter.
void check_owner(config::Configuration& configuration) {
  const config::Settings& settings = configuration.settings;
  if (config::has_errors(configuration.problems) || ::geteuid() != 0) return;
  const std::string owner = settings.text("mail_owner");
  if (::getpwnam(owner.c_str()) == nullptr)
    configuration.problems.push_back(
        {settings.place_of("mail_owner"), "mail_owner: there is no user \"" + owner + "\""});
}

}  // namespace

std::string check_text(const config::Configuration& configuration) {
  std::string text = service::lines_of(configuration.problems, true);
  for (const auto& key : configuration.unbuilt) text += key.place + ": " + key.name + ": not built yet\n";
  return text;
}

int check(const std::string& config_directory) {
  auto configuration = read_configuration(config_directory);
  check_owner(configuration);
  std::fputs(check_text(configuration).c_str(), stderr);
  return config::has_errors(configuration.problems) ? util::kExitConfig : 0;
}

}  // namespace hikyaku::ctl
