// Internet socket addresses in numbers.
#include "net/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "util/text.h"

namespace hikyaku::net {

bool is_ipv4_mapped(const in6_addr& address) {
  return std::memcmp(&address, kIpv4MappedPrefix, sizeof kIpv4MappedPrefix) == 0;
}

Address::Address(const sockaddr* raw, socklen_t length)
    : length_(std::min<socklen_t>(length, static_cast<socklen_t>(sizeof storage_))) {
  std::memcpy(&storage_, raw, length_);
}

std::optional<Address> Address::parse(std::string_view host, uint16_t port) {
  const bool literal = util::istarts_with(host, "ipv6:");
  if (literal) host.remove_prefix(5);
  if (host.find('\0') != std::string_view::npos) return std::nullopt;  // inet_pton would see only what is before it
  const std::string text(host);
  sockaddr_in v4{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {}, .sin_zero = {}};
  if (!literal && ::inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1)
    return Address(reinterpret_cast<sockaddr*>(&v4), sizeof v4);
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  if (::inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) == 1)
    return Address(reinterpret_cast<sockaddr*>(&v6), sizeof v6);
  return std::nullopt;
}

Address Address::any_ipv6(uint16_t port) { return *parse("::", port); }

uint16_t Address::port() const {
  if (family() == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(&storage_)->sin_port);
  if (family() == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage_)->sin6_port);
  return 0;
}

std::string Address::host() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (family() == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&storage_)->sin_addr, text, sizeof text);
  } else if (family() == AF_INET6) {
    const in6_addr& v6 = reinterpret_cast<const sockaddr_in6*>(&storage_)->sin6_addr;
    if (is_ipv4_mapped(v6))
      ::inet_ntop(AF_INET, v6.s6_addr + sizeof kIpv4MappedPrefix, text, sizeof text);
    else
      ::inet_ntop(AF_INET6, &v6, text, sizeof text);
  }
  return text;
}

std::string Address::text() const {
  const std::string name = host();
  return name.find(':') == std::string::npos ? fmt::format("{}:{}", name, port())
                                             : fmt::format("[{}]:{}", name, port());
}

Address peer_of(int fd) {
  sockaddr_storage raw{};
  socklen_t length = sizeof raw;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&raw), &length) != 0) return {};
  return Address(reinterpret_cast<sockaddr*>(&raw), length);
}

Address local_of(int fd) {
  sockaddr_storage raw{};
  socklen_t length = sizeof raw;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&raw), &length) != 0) return {};
  return Address(reinterpret_cast<sockaddr*>(&raw), length);
}

}  // namespace hikyaku::net
