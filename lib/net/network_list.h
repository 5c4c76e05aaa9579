// Who is meant by a list of networks, such as mynetworks.
#pragma once

#include <string_view>
#include <vector>

#include "net/address.h"
#include "util/error.h"

namespace hikyaku::net {

// A set of networks in Postfix's notation: "127.0.0.0/8 [::1]/128 192.0.2.1 !192.0.2.7" (first match wins).
class NetworkList {
 public:
  // Separated by commas or white space. A permanent error quotes what is no network.
  static util::Result<NetworkList> parse(std::string_view text);
  bool contains(const Address& address) const;

 private:
  struct Network {
    bool excluded = false;
    bool ipv6 = false;
    unsigned char bytes[16] = {};
    unsigned bits = 0;  // of the prefix

    bool has_bits_beyond_prefix() const;
    void unmap();
  };
  static util::Result<Network> parse_network(std::string_view text);
  std::vector<Network> networks_;
};

}  // namespace hikyaku::net
