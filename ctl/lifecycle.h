// start, start-fg, stop, abort, reload, status.
#pragma once

#include <string>

#include "ipc/messages.h"

namespace hikyaku::ctl {

// Each returns the exit code; throws Failure.
int start(const std::string& config_directory);
// Becomes master.
int start_in_foreground(const std::string& config_directory);
int stop(const std::string& config_directory, ipc::MasterVerb verb);  // kStop, kAbort
int reload(const std::string& config_directory);
int status(const std::string& config_directory, bool json);

// What `status` prints.
std::string status_text(const std::vector<ipc::ServiceStatus>& services);
std::string status_json(const std::vector<ipc::ServiceStatus>& services);

}  // namespace hikyaku::ctl
