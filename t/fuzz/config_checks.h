// What holds for every configuration that was read, whatever stands in its files.
#pragma once

#include <string>

#include "config/configuration.h"
#include "config/parameters.h"
#include "t/fuzz/input.h"

namespace hikyaku::fuzz {

inline void check_problems(const config::Problems& problems) {
  for (const config::Problem& problem : problems) {
    promise(!problem.text.empty(), "a problem says what is wrong");
    promise(!has_control(to_line(problem)), "in one line, whatever stands in the file");
  }
}

// Of settings without an error, every value can be asked for; a getter that cannot answer aborts. (A default that
// refers to no other key is the same whatever the file says, and left out for speed.)
inline void check_values(const config::Settings& settings) {
  for (const config::Parameter& parameter : config::parameters()) {
    if (!settings.is_set(parameter.name) && parameter.default_text.find('$') == std::string::npos) continue;
    switch (parameter.kind) {
      case config::Kind::kText:
      case config::Kind::kEnumeration:
        (void)settings.text(parameter.name);
        break;
      case config::Kind::kList:
      case config::Kind::kTable:
        (void)settings.list(parameter.name);
        break;
      case config::Kind::kYesNo:
        (void)settings.yes(parameter.name);
        break;
      case config::Kind::kNumber:
        (void)settings.number(parameter.name);
        break;
      case config::Kind::kDuration:
        (void)settings.duration(parameter.name);
        break;
      case config::Kind::kSize:
        (void)settings.size(parameter.name);
        break;
      case config::Kind::kEndpoints:
        (void)settings.endpoints(parameter.name);
        break;
    }
  }
}

inline void check_configuration(const config::Configuration& configuration) {
  check_problems(configuration.problems);
  const auto copy = config::Settings::from_snapshot(configuration.settings.to_snapshot());
  promise(copy && *copy == configuration.settings, "a child sees the settings that master has");
  if (has_errors(configuration.problems)) return;
  check_values(configuration.settings);
  for (const config::Service& service : configuration.services) {
    if (!service.overrides.empty()) check_values(configuration.settings_of(service));
    if (service.type == config::ServiceType::kInet)
      promise(listening_addresses(service, configuration.settings).has_value(), "a listener has its addresses");
  }
}

}  // namespace hikyaku::fuzz
