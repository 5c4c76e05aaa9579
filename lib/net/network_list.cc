// A set of networks.
#include "net/network_list.h"

#include <fmt/format.h>
#include <netinet/in.h>

#include <cstring>

#include "util/text.h"

namespace hikyaku::net {

bool NetworkList::Network::has_bits_beyond_prefix() const {
  for (unsigned bit = bits; bit < (ipv6 ? 128 : 32); ++bit)
    if (bytes[bit / 8] & (0x80 >> (bit % 8))) return true;
  return false;
}

// Clients are compared as IPv4 where they come mapped, so a network of such is kept in the same form.
void NetworkList::Network::unmap() {
  constexpr unsigned kMappedBits = 8 * sizeof kIpv4MappedPrefix;
  if (!ipv6 || bits < kMappedBits || std::memcmp(bytes, kIpv4MappedPrefix, sizeof kIpv4MappedPrefix) != 0) return;
  ipv6 = false;
  bits -= kMappedBits;
  std::memmove(bytes, bytes + sizeof kIpv4MappedPrefix, 4);
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
  if (network.has_bits_beyond_prefix())
    return util::permanent(fmt::format("\"{}\" has bits set beyond its /{} prefix", text, network.bits));
  network.unmap();
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
    ipv6 = !is_ipv4_mapped(v6);
    std::memcpy(bytes, ipv6 ? v6.s6_addr : v6.s6_addr + sizeof kIpv4MappedPrefix, ipv6 ? 16 : 4);
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

}  // namespace hikyaku::net
