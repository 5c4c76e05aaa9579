// Making a service process: fork and exec, with a pipe to it. The program itself gives up root's privileges, before all
// else (service::run).
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "os/unique_fd.h"
#include "util/error.h"

namespace hikyaku::master {

// The user that the daemons run as.
struct Owner {
  uid_t uid = 0;
  gid_t gid = 0;
  std::string name;
};

// `mail_owner` when we are root, else whoever we are. Permanent error for an unknown user and for root.
util::Result<Owner> find_owner(const std::string& mail_owner);

struct Process {
  pid_t pid = -1;
  os::UniqueFd pipe;  // our end of a socket pair, non-blocking; the daemon's is service::kMasterPipe
};

// How all daemons are started. The working directory must be the queue directory.
struct Launcher {
  Owner owner;
  int error_output = -1;     // becomes the daemons' standard output and error; -1: /dev/null does
  bool keep_output = false;  // they have ours instead
};

// The error names the step that failed; the program has not run then.
util::Result<Process> spawn(const Launcher& launcher, const std::string& program_path);

// As many descriptors as the system lets us have; the daemons inherit the limit.
void raise_descriptor_limit();

}  // namespace hikyaku::master
