// Where a recipient's mail goes next.
#include "smtp/route.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <utility>

#include "util/text.h"

namespace hikyaku::smtp {
namespace {

// RFC 1035 section 2.3.4.
constexpr size_t kLongestName = 253;
constexpr size_t kLongestLabel = 63;

constexpr auto kServices = std::to_array<std::pair<std::string_view, uint16_t>>(
    {{"smtp", 25}, {"smtps", 465}, {"submission", 587}, {"submissions", 465}});

bool is_address_of(int family, const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> address;
  return inet_pton(family, text.c_str(), address.data()) == 1;
}

bool is_label(std::string_view label) {
  const auto is_label_char = [](char c) {
    return util::is_alnum(c) || c == '-' || c == '_' || static_cast<unsigned char>(c) > 127;
  };
  return !label.empty() && (label.size() <= kLongestLabel || !util::is_ascii(label)) && label.front() != '-' &&
         label.back() != '-' && std::ranges::all_of(label, is_label_char);
}

// In lower case and without the final dot; nothing when it is not a host name.
std::optional<std::string> host_name(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  if (text.size() > kLongestName) return std::nullopt;
  size_t at = 0;
  while (true) {
    const size_t dot = text.find('.', at);
    if (!is_label(text.substr(at, dot - at))) return std::nullopt;
    if (dot == std::string_view::npos) return util::to_lower(text);
    at = dot + 1;
  }
}

// An IPv4 or IPv6 address, this one also behind the "IPv6:" of RFC 5321 section 4.1.3.
std::optional<std::string> address(std::string_view text) {
  const bool tagged = util::istarts_with(text, "IPv6:");
  if (tagged) text.remove_prefix(5);
  std::string plain = util::to_lower(text);
  if (plain.find('\0') != std::string::npos) return std::nullopt;
  if (is_address_of(AF_INET6, plain) || (!tagged && is_address_of(AF_INET, plain))) return plain;
  return std::nullopt;
}

// A name of digits and dots that is not an address is a mistyped address, not a host.
std::optional<NextHop> host_or_address(std::string_view text, bool brackets) {
  if (std::optional<std::string> found = address(text)) return NextHop{std::move(*found), 25, true};
  if (text.find_first_not_of("0123456789.") == std::string_view::npos) return std::nullopt;
  if (std::optional<std::string> found = host_name(text)) return NextHop{std::move(*found), 25, brackets};
  return std::nullopt;
}

std::optional<uint16_t> parse_port(std::string_view text) {
  for (const auto& [name, port] : kServices) {
    if (util::iequals(name, text)) return port;
  }
  const std::optional<uint64_t> number = util::parse_number(text);
  if (!number || *number == 0 || *number > 65535) return std::nullopt;
  return static_cast<uint16_t>(*number);
}

auto wrong(std::string_view text, std::string_view why) {
  return util::permanent("relayhost \"" + util::escape_for_log(text) + "\": " + std::string(why));
}

}  // namespace

util::Result<std::optional<NextHop>> parse_relayhost(std::string_view text) {
  text = util::trim(text);
  if (text.empty()) return std::nullopt;
  const bool brackets = text.front() == '[';
  std::string_view host = text;
  std::string_view port;
  bool has_port = false;
  if (brackets) {
    const size_t close = text.find(']');
    if (close == std::string_view::npos) return wrong(text, "\"]\" is missing");
    host = text.substr(1, close - 1);
    port = text.substr(close + 1);
    has_port = !port.empty();
    if (has_port && port.front() != ':') return wrong(text, "only \":port\" may follow \"]\"");
    if (has_port) port.remove_prefix(1);
  } else if (const size_t colon = text.find(':'); colon != std::string_view::npos) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
    has_port = true;
    if (port.find(':') != std::string_view::npos) return wrong(text, "an IPv6 address needs brackets: [::1]:25");
  }
  std::optional<NextHop> hop = host_or_address(host, brackets);
  if (!hop) return wrong(text, "neither a host name nor an address");
  if (!has_port) return hop;
  const std::optional<uint16_t> number = parse_port(port);
  if (!number) return wrong(text, "the port must be 1 to 65535");
  hop->port = *number;
  return hop;
}

util::Result<NextHop> next_hop(const std::optional<NextHop>& relayhost, std::string_view recipient) {
  if (relayhost) return *relayhost;
  const auto bad = [&](std::string_view why) {
    return util::permanent("5.1.3 Bad recipient address \"" + util::escape_for_log(recipient) +
                           "\": " + std::string(why));
  };
  const size_t at = recipient.rfind('@');
  if (at == std::string_view::npos) return bad("no domain");
  const std::string_view domain = recipient.substr(at + 1);
  if (domain.starts_with('[')) {
    std::optional<std::string> literal;
    if (domain.ends_with(']')) literal = address(domain.substr(1, domain.size() - 2));
    if (!literal) return bad("not an address literal");
    return NextHop{std::move(*literal), 25, true};
  }
  const std::optional<NextHop> hop = host_or_address(domain, false);
  if (!hop) return bad("not a domain");
  if (hop->brackets) return bad("an address needs brackets");
  return *hop;
}

std::string to_text(const NextHop& hop) {
  std::string text = hop.brackets ? "[" + hop.host + "]" : hop.host;
  if (hop.port != 25) text += ":" + std::to_string(hop.port);
  return text;
}

}  // namespace hikyaku::smtp
