// The two configuration files of a directory.
#include "service/configuration_files.h"

#include <unistd.h>

#include <algorithm>

#include "net/network_list.h"
#include "os/file.h"
#include "smtp/route.h"

namespace hikyaku::service {

namespace {

// What the readers of the two files cannot know: the meaning of values that other modules read.
void check_values(const config::Settings& settings, config::Problems& problems) {
  const auto note = [&](const char* key, std::string text) {
    config::Problem problem{settings.place_of(key), std::move(text)};
    if (std::ranges::find(problems, problem) == problems.end()) problems.push_back(std::move(problem));
  };
  if (const auto networks = net::NetworkList::parse(settings.text("mynetworks")); !networks)
    note("mynetworks", "mynetworks: " + networks.error().text);
  if (const auto relayhost = smtp::parse_relayhost(settings.text("relayhost")); !relayhost)
    note("relayhost", relayhost.error().text);
}

// Without any of these mail would be accepted and go nowhere; and two writers of the queue must never meet.
void check_services(const std::vector<config::Service>& services, config::Problems& problems) {
  for (const std::string program : {"cleanup", "qmgr", "smtp-client", "bounce"}) {
    const auto count = std::ranges::count(services, program, &config::Service::program);
    if (count == 0) problems.push_back({"master.cf:1", "there is no service that runs " + program});
    if (count < 2 || (program != "cleanup" && program != "qmgr")) continue;
    const auto last = std::find_if(services.rbegin(), services.rend(),
                                   [&](const config::Service& service) { return service.program == program; });
    problems.push_back({last->place, "there can be only one service that runs " + program});
  }
}

}  // namespace

util::Result<config::Configuration> read_configuration_files(const std::string& directory) {
  const auto main_cf = os::read_file(directory + "/main.cf");
  if (!main_cf) return std::unexpected(main_cf.error());
  const auto master_cf = os::read_file(directory + "/master.cf");
  if (!master_cf) return std::unexpected(master_cf.error());
  char host_name[256] = {};
  if (::gethostname(host_name, sizeof host_name - 1) != 0) host_name[0] = '\0';
  auto configuration = config::read_configuration(*main_cf, *master_cf, host_name, directory);
  // A setting can only be read where nothing else is wrong with it.
  if (config::has_errors(configuration.problems)) return configuration;
  check_services(configuration.services, configuration.problems);
  check_values(configuration.settings, configuration.problems);
  for (const config::Service& service : configuration.services)
    check_values(configuration.settings_of(service), configuration.problems);
  return configuration;
}

std::string lines_of(const config::Problems& problems, bool warnings) {
  std::string lines;
  for (const config::Problem& problem : problems)
    if (warnings || !problem.warning) lines += config::to_line(problem) + "\n";
  return lines;
}

}  // namespace hikyaku::service
