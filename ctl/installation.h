// Which installation a command is about: its configuration directory, and from there its queue directory.
#pragma once

#include <string>

#include "config/configuration.h"

namespace hikyaku::ctl {

// From -c, else MAIL_CONFIG, else the usual place; a full path. Throws Failure (78) for what is not there.
std::string config_directory_of(const std::string& option);
// Throws Failure (78) when a file cannot be read. What is wrong inside is in `problems`.
config::Configuration read_configuration(const std::string& config_directory);
// Goes to the queue directory that main.cf names, even if other keys are wrong: a running instance can be asked
// whatever was done to its files since. Throws Failure: 78, or 69 "not running" when the directory is not there.
void enter_queue_directory(const std::string& config_directory);

}  // namespace hikyaku::ctl
