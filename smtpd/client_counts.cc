// How many connections and messages each client's address has.
#include "smtpd/client_counts.h"

#include <algorithm>
#include <cstring>

namespace hikyaku::smtpd {

ClientKey client_key(const net::Address& address) {
  ClientKey key{};
  if (address.family() == AF_INET) {
    std::ranges::copy(net::kIpv4MappedPrefix, key.begin());
    std::memcpy(key.data() + sizeof net::kIpv4MappedPrefix,
                &reinterpret_cast<const sockaddr_in*>(address.raw())->sin_addr, sizeof(in_addr));
  } else if (address.family() == AF_INET6) {
    const in6_addr& ipv6 = reinterpret_cast<const sockaddr_in6*>(address.raw())->sin6_addr;
    std::memcpy(key.data(), &ipv6, key.size());
    if (net::is_ipv4_mapped(ipv6)) return key;
    key[10] &= 0xF0;
    std::fill(key.begin() + 11, key.end(), 0);
  }
  return key;
}

ClientCounts::Connections ClientCounts::arrived(const ClientKey& client, Time now) {
  Client& counted = counted_now(client, now);
  return {++counted.connected, ++counted.connections};
}

void ClientCounts::left(const ClientKey& client) {
  const auto found = clients_.find(client);
  if (found != clients_.end() && --found->second.connected == 0 && !found->second.in_minute) clients_.erase(found);
}

unsigned ClientCounts::message(const ClientKey& client, Time now) { return ++counted_now(client, now).messages; }

ClientCounts::Client& ClientCounts::counted_now(const ClientKey& client, Time now) {
  if (limits_rates()) end_minutes(now);
  Client& counted = clients_[client];
  if (limits_rates() && !counted.in_minute) {
    counted.in_minute = true;
    counted.connections = counted.messages = 0;
    minutes_.emplace_back(now, client);
  }
  return counted;
}

void ClientCounts::end_minutes(Time now) {
  for (; !minutes_.empty() && now - minutes_.front().first >= kMinute; minutes_.pop_front()) {
    const auto found = clients_.find(minutes_.front().second);
    if (found == clients_.end()) continue;
    found->second.in_minute = false;
    if (found->second.connected == 0) clients_.erase(found);
  }
}

}  // namespace hikyaku::smtpd
