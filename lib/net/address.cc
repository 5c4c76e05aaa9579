// Internet socket addresses in numbers.
#include "net/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "util/text.h"

namespace hikyaku::net {

namespace {

constexpr unsigned char kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

bool is_mapped(const in6_addr& address) { return std::memcmp(&address, kMappedPrefix, sizeof kMappedPrefix) == 0; }

}  // namespace

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
    if (is_mapped(v6))
      ::inet_ntop(AF_INET, v6.s6_addr + sizeof kMappedPrefix, text, sizeof text);
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

util::Result<NetworkList::Network> NetworkList::parse_network(std::string_view text) {
  const auto wrong = [&] { return util::permanent(fmt::format("\"{}\" is not an address or a network", text)); };
  Network network;
  std::string_view rest = text;
  if (rest.starts_with('!')) {
    network.excluded = true;
    rest.remove_prefix(1);
  }
  std::string_view bits;
  const size_t slash = rest.find('/');
  if (slash != std::string_view::npos) {
    bits = rest.substr(slash + 1);
    rest = rest.substr(0, slash);
  }
  if (rest.size() >= 2 && rest.front() == '[' && rest.back() == ']') rest = rest.substr(1, rest.size() - 2);
  const auto address = Address::parse(rest, 0);
  if (!address) return wrong();
  network.ipv6 = address->family() == AF_INET6;
  const unsigned most = network.ipv6 ? 128 : 32;
  if (network.ipv6)
    std::memcpy(network.bytes, &reinterpret_cast<const sockaddr_in6*>(address->raw())->sin6_addr, 16);
  else
    std::memcpy(network.bytes, &reinterpret_cast<const sockaddr_in*>(address->raw())->sin_addr, 4);
  network.bits = most;
  if (slash != std::string_view::npos) {
    const auto number = util::parse_number(bits);
    if (!number || *number > most) return wrong();
    network.bits = static_cast<unsigned>(*number);
  }
  for (unsigned bit = network.bits; bit < most; ++bit)
    if (network.bytes[bit / 8] & (0x80 >> (bit % 8)))
      return util::permanent(fmt::format("\"{}\" has bits set beyond its /{} prefix", text, network.bits));
  // Clients are compared as IPv4 where they come mapped, so a network of such is kept in the same form.
  constexpr unsigned kMappedBits = 8 * sizeof kMappedPrefix;
  if (network.ipv6 && network.bits >= kMappedBits &&
      std::memcmp(network.bytes, kMappedPrefix, sizeof kMappedPrefix) == 0) {
    network.ipv6 = false;
    network.bits -= kMappedBits;
    std::memmove(network.bytes, network.bytes + sizeof kMappedPrefix, 4);
  }
  return network;
}

util::Result<NetworkList> NetworkList::parse(std::string_view text) {
  NetworkList list;
  for (const auto piece : util::split(text, ", \t\r\n")) {
    auto network = parse_network(piece);
    if (!network) return std::unexpected(network.error());
    list.networks_.push_back(*network);
  }
  return list;
}

bool NetworkList::contains(const Address& address) const {
  unsigned char bytes[16] = {};
  bool ipv6 = address.family() == AF_INET6;
  if (ipv6) {
    const in6_addr& v6 = reinterpret_cast<const sockaddr_in6*>(address.raw())->sin6_addr;
    ipv6 = !is_mapped(v6);
    std::memcpy(bytes, ipv6 ? v6.s6_addr : v6.s6_addr + sizeof kMappedPrefix, ipv6 ? 16 : 4);
  } else if (address.family() == AF_INET) {
    std::memcpy(bytes, &reinterpret_cast<const sockaddr_in*>(address.raw())->sin_addr, 4);
  } else {
    return false;
  }
  for (const Network& network : networks_) {
    if (network.ipv6 != ipv6) continue;
    bool same = std::memcmp(bytes, network.bytes, network.bits / 8) == 0;
    if (same && network.bits % 8 != 0) {
      const unsigned mask = 0xFF00u >> (network.bits % 8) & 0xFF;
      same = (bytes[network.bits / 8] & mask) == (network.bytes[network.bits / 8] & mask);
    }
    if (same) return !network.excluded;
  }
  return false;
}

util::Result<os::UniqueFd> listen_tcp(const Address& address, bool dual_stack) {
  os::UniqueFd fd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return util::system_error("socket", errno);
  const int on = 1, v6only = dual_stack ? 0 : 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // accepted sockets inherit it
  if (address.family() == AF_INET6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof v6only);
  if (::bind(fd.get(), address.raw(), address.length()) != 0)
    return util::system_error("bind " + address.text(), errno);
  if (::listen(fd.get(), 1024) != 0) return util::system_error("listen on " + address.text(), errno);
  return fd;
}

namespace {

util::Result<sockaddr_un> unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return util::permanent(path + ": too long for a Unix socket");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

}  // namespace

util::Result<os::UniqueFd> listen_unix(const std::string& path) {
  const auto address = unix_address(path);
  if (!address) return std::unexpected(address.error());
  os::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return util::system_error("socket", errno);
  ::unlink(path.c_str());
  const mode_t mask = ::umask(0177);
  const int bound = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address);
  const int error = errno;
  ::umask(mask);
  if (bound != 0) return util::system_error("bind " + path, error);
  if (::listen(fd.get(), 1024) != 0) return util::system_error("listen on " + path, errno);
  return fd;
}

util::Result<os::UniqueFd> connect_unix(const std::string& path) {
  const auto address = unix_address(path);
  if (!address) return std::unexpected(address.error());
  os::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return util::system_error("socket", errno);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0)
    return util::system_error("connect " + path, errno);
  return fd;
}

util::Result<os::UniqueFd> connect_tcp(const Address& address) {
  os::UniqueFd fd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return util::system_error("socket", errno);
  const int on = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd.get(), address.raw(), address.length()) != 0 && errno != EINPROGRESS)
    return util::system_error("connect to " + address.text(), errno);
  return fd;
}

int connect_error(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
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
