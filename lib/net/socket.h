// Sockets that listen, and sockets that connect: all of them non-blocking and close-on-exec.
#pragma once

#include <string>

#include "net/address.h"
#include "os/unique_fd.h"
#include "util/error.h"

namespace hikyaku::net {

// A listening TCP socket: close-on-exec, non-blocking, address reused. With `dual_stack` an IPv6 socket takes IPv4 too.
util::Result<os::UniqueFd> listen_tcp(const Address& address, bool dual_stack);
// A listening Unix socket at `path` (replaced if present), mode 0600.
util::Result<os::UniqueFd> listen_unix(const std::string& path);
// A Unix stream socket that is connected, or will be when its listener accepts.
util::Result<os::UniqueFd> connect_unix(const std::string& path);
// A TCP socket whose connection has been started; it becomes writable when that ended.
util::Result<os::UniqueFd> connect_tcp(const Address& address);
// The errno of a connection attempt that ended, 0 when it succeeded.
int connect_error(int fd);

}  // namespace hikyaku::net
