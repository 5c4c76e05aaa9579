// The two configuration files of a directory, read once and checked: for master and for the operator's command.
#pragma once

#include <string>

#include "config/configuration.h"
#include "util/error.h"

namespace hikyaku::service {

// The error is of a file that could not be read, and names it; what is wrong inside them is in `problems`.
util::Result<config::Configuration> read_configuration_files(const std::string& directory);

// All of them that are errors (or with `warnings` all), a line each.
std::string lines_of(const config::Problems& problems, bool warnings);

}  // namespace hikyaku::service
