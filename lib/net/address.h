// Internet socket addresses in numbers: no name is looked up here.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

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
  // Without port; an IPv4 address mapped into IPv6 is shown as the IPv4 address that it is.
  std::string host() const;
  // "192.0.2.1:25", "[2001:db8::1]:25".
  std::string text() const;

 private:
  sockaddr_storage storage_{};
  socklen_t length_ = 0;
};

// The other end of a connected socket, and our own end of any; an empty Address when there is none.
Address peer_of(int fd);
Address local_of(int fd);

// What an IPv4 address in IPv6's form begins with (RFC 4291 section 2.5.5.2): ::ffff:192.0.2.1.
inline constexpr unsigned char kIpv4MappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
bool is_ipv4_mapped(const in6_addr& address);

}  // namespace hikyaku::net
