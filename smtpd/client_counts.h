// How many connections and messages each client's address has, now and in its minute. Pure.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <deque>
#include <map>
#include <utility>

#include "net/address.h"

namespace hikyaku::smtpd {

// smtpd_client_*_limit; 0: no limit.
struct ClientLimits {
  unsigned connections = 0;
  unsigned connection_rate = 0;  // a minute
  unsigned message_rate = 0;     // a minute
};

// A client: an IPv4 address, or a network of 84 bits, as Postfix has it: an IPv6 host has more addresses than there is
// memory to count them.
using ClientKey = std::array<unsigned char, 16>;
ClientKey client_key(const net::Address& address);

// A minute begins with a client's first event, as in Postfix. Memory: clients that are connected, and those of the last
// minute when a rate is limited.
class ClientCounts {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kMinute{60};

  explicit ClientCounts(const ClientLimits& limits) : limits_(limits) {}

  struct Connections {
    unsigned now = 0, this_minute = 0;  // this one included
  };
  // left() follows, whatever is done about it.
  Connections arrived(const ClientKey& client, Time now);
  void left(const ClientKey& client);
  // The messages of this minute, this one included.
  unsigned message(const ClientKey& client, Time now);

  const ClientLimits& limits() const { return limits_; }
  size_t clients() const { return clients_.size(); }

 private:
  struct Client {
    unsigned connected = 0;
    bool in_minute = false;                  // its minute runs
    unsigned connections = 0, messages = 0;  // in it
  };

  bool limits_rates() const { return limits_.connection_rate != 0 || limits_.message_rate != 0; }
  void end_minutes(Time now);
  Client& counted_now(const ClientKey& client, Time now);

  ClientLimits limits_;
  std::map<ClientKey, Client> clients_;
  std::deque<std::pair<Time, ClientKey>> minutes_;  // those that run, the oldest first
};

// A client that is connected, until this is destroyed.
class ConnectedClient {
 public:
  ConnectedClient(ClientCounts& counts, const ClientKey& key) : counts_(&counts), key_(key) {}
  ConnectedClient(const ConnectedClient&) = delete;
  ConnectedClient& operator=(const ConnectedClient&) = delete;
  ~ConnectedClient() { counts_->left(key_); }

  const ClientKey& key() const { return key_; }

 private:
  ClientCounts* counts_;
  ClientKey key_;
};

}  // namespace hikyaku::smtpd
