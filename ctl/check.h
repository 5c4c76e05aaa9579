// check: what is wrong in the configuration, with file and line.
#pragma once

#include <string>

#include "config/configuration.h"

namespace hikyaku::ctl {

// A line per problem and per key that nothing uses yet.
std::string check_text(const config::Configuration& configuration);
// Returns the exit code: 78 when something is wrong; warnings and unbuilt keys never change its 0.
int check(const std::string& config_directory);

}  // namespace hikyaku::ctl
