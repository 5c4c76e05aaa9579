// The queue directory as the daemons expect to find it, and the lock that one master holds on it.
#pragma once

#include <string>

#include "master/process.h"
#include "os/unique_fd.h"

namespace hikyaku::master {

// Makes the directory and its folders with the right owner and mode, and goes there: paths are relative from now on.
// Throws util::StartupError that names the path.
void enter_queue_directory(const std::string& path, const Owner& owner);

// Held for life; a second master is refused (StartupError, 69, "already running").
class PidFile {
 public:
  PidFile();
  // Empties the file and lets the lock go.
  void release();

 private:
  os::UniqueFd fd_;
};

// The log: a file that the daemons' user may read, or nothing for syslog. /dev/stdout is ours. Permanent error.
util::Result<os::UniqueFd> open_log(const std::string& maillog_file, const Owner& owner);

}  // namespace hikyaku::master
