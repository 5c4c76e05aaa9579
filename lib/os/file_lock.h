// A lock that a process holds for life: two daemons never write the same files.
#pragma once

#include <string>

#include "os/unique_fd.h"
#include "util/error.h"

namespace hikyaku::os {

// An exclusive lock on `path`, which is created if need be; it ends with the process or the descriptor. An empty
// UniqueFd when another process holds it.
util::Result<UniqueFd> try_lock(const std::string& path);

}  // namespace hikyaku::os
