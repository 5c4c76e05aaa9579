// The listening sockets.
#include "master/listeners.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <set>

#include "net/address.h"
#include "net/socket.h"

namespace hikyaku::master {

namespace {

// Host names are allowed as listening addresses; they are looked up once, when they are bound.
util::Result<net::Address> resolve(const config::Endpoint& endpoint, int family) {
  if (const auto address = net::Address::parse(endpoint.host, endpoint.port)) return *address;
  addrinfo hints{};
  hints.ai_family = family;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints, &found);
  if (error != 0) return util::temporary(::gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  return net::Address(found->ai_addr, found->ai_addrlen);
}

bool host_has_ipv6() { return net::listen_tcp(net::Address::any_ipv6(0), false).has_value(); }

// "bind 1.2.3.4:25: Address already in use", said with the address as the operator wrote it.
util::Error named(const std::string& address, const util::Error& error) {
  const size_t colon = error.text.rfind(": ");
  const std::string reason = colon == std::string::npos ? error.text : error.text.substr(colon + 2);
  return {fmt::format("cannot listen on {}: {}", address, reason), error.permanent};
}

}  // namespace

Listeners::Protocols Listeners::protocols_of(const config::Settings& settings) {
  const auto words = settings.list("inet_protocols");
  const auto has = [&](const char* word) { return std::ranges::find(words, word) != words.end(); };
  return {has("all") || has("ipv4"), has("all") || has("ipv6")};
}

util::Result<os::UniqueFd> Listeners::bind_internet(const config::Endpoint& endpoint) const {
  if (endpoint.host.empty() && protocols_.ipv6 && (host_has_ipv6() || !protocols_.ipv4))
    return net::listen_tcp(net::Address::any_ipv6(endpoint.port), protocols_.ipv4);
  if (endpoint.host.empty()) return net::listen_tcp(*net::Address::parse("0.0.0.0", endpoint.port), false);
  const int family = protocols_.ipv4 && protocols_.ipv6 ? AF_UNSPEC : protocols_.ipv6 ? AF_INET6 : AF_INET;
  const auto address = resolve(endpoint, family);
  if (!address) return std::unexpected(address.error());
  const bool allowed = address->family() == AF_INET6 ? protocols_.ipv6 : protocols_.ipv4;
  if (!allowed) return util::permanent("inet_protocols does not allow this address");
  return net::listen_tcp(*address, false);
}

util::Result<os::UniqueFd> listen_for_owner(const std::string& path, const Owner& owner) {
  auto fd = net::listen_unix(path);
  if (fd && ::geteuid() == 0 && ::fchownat(AT_FDCWD, path.c_str(), owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW) != 0)
    return util::system_error("chown " + path, errno);
  return fd;
}

util::Result<os::UniqueFd> Listeners::bind(const WantedListener& listener) const {
  auto fd = listener.internet ? bind_internet(listener.endpoint) : listen_for_owner(listener.address, owner_);
  if (!fd) return std::unexpected(named(listener.address, fd.error()));
  return fd;
}

util::Result<void> Listeners::bind_new(const std::vector<ServicePlan>& plan) {
  std::map<std::string, os::UniqueFd> added;
  for (const ServicePlan& service : plan) {
    for (const WantedListener& listener : service.listeners) {
      if (bound_.contains(listener.address) || added.contains(listener.address)) continue;
      auto fd = bind(listener);
      if (!fd) return std::unexpected(fd.error());
      added.emplace(listener.address, std::move(*fd));
    }
  }
  bound_.merge(added);
  return {};
}

void Listeners::close_others(const std::vector<ServicePlan>& plan) {
  std::set<std::string> wanted;
  for (const ServicePlan& service : plan)
    for (const WantedListener& listener : service.listeners) wanted.insert(listener.address);
  std::erase_if(bound_, [&](const auto& entry) {
    if (wanted.contains(entry.first)) return false;
    if (entry.first.find('/') != std::string::npos) ::unlink(entry.first.c_str());
    return true;
  });
}

}  // namespace hikyaku::master
