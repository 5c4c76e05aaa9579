// Where a recipient's mail goes next: the relay host, or the recipient's own domain (rows 91, 126).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "util/error.h"

namespace hikyaku::smtp {

struct NextHop {
  std::string host;  // in lower case, without brackets and final dot: a name or an address ("192.0.2.1", "2001:db8::1")
  uint16_t port = 25;
  bool brackets = false;  // the host itself: no MX lookup; always set for an address

  bool operator==(const NextHop&) const = default;
};

// The value of `relayhost`: "[host]:port", "[host]", "host:port", "domain", "[192.0.2.1]", "[::1]:25", "[IPv6:::1]"; a
// port is a number or one of smtp, smtps, submission, submissions. Blank text is no relay host: nullopt.
util::Result<std::optional<NextHop>> parse_relayhost(std::string_view text);

// `relayhost` when there is one; else the domain of `recipient` ("user@example.com" → MX of example.com), or its
// address literal ("user@[192.0.2.1]", "user@[IPv6:2001:db8::1]"). A domain may have UTF-8 (RFC 6531). Error,
// permanent: the recipient has no usable domain (5.1.3).
util::Result<NextHop> next_hop(const std::optional<NextHop>& relayhost, std::string_view recipient);

// The form of `relayhost` that gives this next hop: "[mx.example.com]:587".
std::string to_text(const NextHop& hop);

}  // namespace hikyaku::smtp
