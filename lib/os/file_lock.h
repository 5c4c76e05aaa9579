// A lock that a process holds for life: two daemons never write the same files.
#pragma once

#include <string>

#include "os/unique_fd.h"
#include "util/error.h"

namespace hikyaku::os {

// An exclusive lock on `path`, which is created if need be; it ends with the process or the descriptor. An empty
// UniqueFd when another process holds it.
util::Result<UniqueFd> try_lock(const std::string& path);

// The same for a file that is this process's alone, and that remove_unlocked() may look at meanwhile.
util::Result<UniqueFd> lock_own(const std::string& path);
// Removes `path` unless a process holds its lock. Whether it is gone, now or before.
util::Result<bool> remove_unlocked(const std::string& path);

}  // namespace hikyaku::os
