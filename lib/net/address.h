// Internet socket addresses in numbers: no name is looked up here.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "os/unique_fd.h"
#include "util/error.h"

namespace hikyaku::net {

class Address {
 public:
  Address() = default;
  Address(const sockaddr* raw, socklen_t length);
  // "192.0.2.1", "2001:db8::1"; an IPv6 address may carry "ipv6:" before it, as in address literals.
  static std::optional<Address> parse(std::string_view host, uint16_t port);
  static Address any_ipv6(uint16_t port);

  const sockaddr* raw() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t length() const { return length_; }
  int family() const { return storage_.ss_family; }
  uint16_t port() const;
  // Without port; an IPv4 address mapped into IPv6 is shown, and compared, as the IPv4 address that it is.
  std::string host() const;
  // "192.0.2.1:25", "[2001:db8::1]:25".
  std::string text() const;

 private:
  sockaddr_storage storage_{};
  socklen_t length_ = 0;
};

// A set of networks in Postfix's notation: "127.0.0.0/8 [::1]/128 192.0.2.1 !192.0.2.7" (first match wins).
class NetworkList {
 public:
  static util::Result<NetworkList> parse(std::string_view text);
  bool contains(const Address& address) const;

 private:
  struct Network {
    bool excluded = false;
    bool ipv6 = false;
    unsigned char bytes[16] = {};
    unsigned bits = 0;
  };
  static util::Result<Network> parse_network(std::string_view text);
  std::vector<Network> networks_;
};

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
Address peer_of(int fd);
Address local_of(int fd);

}  // namespace hikyaku::net
