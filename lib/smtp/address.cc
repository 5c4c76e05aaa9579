// Envelope addresses.
#include "smtp/address.h"

#include <algorithm>
#include <array>
#include <optional>

#include "util/text.h"

namespace hikyaku::smtp {
namespace {

constexpr std::array<bool, 256> make_atext_or_dot() {
  std::array<bool, 256> table = {};
  for (int c = 0; c < 256; ++c) table[static_cast<size_t>(c)] = c < 128 && util::is_alnum(static_cast<char>(c));
  for (const char c : std::string_view("!#$%&'*+-/=?^_`{|}~.")) table[static_cast<unsigned char>(c)] = true;
  return table;
}
constexpr auto kAtextOrDot = make_atext_or_dot();

constexpr bool is_atext_or_dot(char c) { return kAtextOrDot[static_cast<unsigned char>(c)]; }
constexpr bool is_high(char c) { return static_cast<unsigned char>(c) > 127; }
constexpr bool is_printable(char c) { return (c >= ' ' && c <= '~') || is_high(c); }
constexpr bool is_blank(char c) { return c == ' ' || c == '\t'; }
constexpr bool is_hex(char c) { return util::is_digit(c) || (util::lower(c) >= 'a' && util::lower(c) <= 'f'); }

void skip_blanks(std::string_view& text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
}

// Length of the quoted string at the start of `text`, both quotes counted; 0 when it is not a good one.
size_t quoted_length(std::string_view text) {
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') return i + 1;
    if (text[i] == '\\') ++i;
    if (i >= text.size() || !is_printable(text[i])) return 0;
  }
  return 0;
}

// Four numbers up to 255 without leading zeros, which some programs read as octal.
bool is_ipv4(std::string_view text) {
  int numbers = 0;
  while (true) {
    const size_t end = std::min(text.find('.'), text.size());
    const std::string_view number = text.substr(0, end);
    if (number.size() > 3 || (number.size() > 1 && number.front() == '0')) return false;
    const std::optional<uint64_t> value = util::parse_number(number);
    if (!value || *value > 255) return false;
    ++numbers;
    if (end == text.size()) return numbers == 4;
    text.remove_prefix(end + 1);
  }
}

// RFC 4291 section 2.2: groups of hex digits, one "::", an IPv4 address in place of the last two groups.
bool is_ipv6(std::string_view text) {
  int groups = 0;
  bool gap = false;
  if (text.starts_with("::")) {
    gap = true;
    text.remove_prefix(2);
  }
  while (!text.empty()) {
    if (text.find(':') == text.npos && text.find('.') != text.npos) {
      groups += 2;
      if (!is_ipv4(text)) return false;
      break;
    }
    const size_t end = std::min(text.find(':'), text.size());
    if (end == 0 || end > 4 || !std::ranges::all_of(text.substr(0, end), is_hex)) return false;
    ++groups;
    if (end == text.size()) break;
    text.remove_prefix(end + 1);
    if (text.empty()) return false;
    if (text.front() != ':') continue;
    if (gap) return false;
    gap = true;
    text.remove_prefix(1);
  }
  return gap ? groups < 8 : groups == 8;
}

// "[192.0.2.1]" or "[IPv6:2001:db8::1]". Other tags mean nothing to anybody today.
bool is_address_literal(std::string_view domain) {
  if (domain.size() < 2 || domain.back() != ']') return false;
  const std::string_view inside = domain.substr(1, domain.size() - 2);
  constexpr std::string_view kTag = "IPv6:";
  return util::istarts_with(inside, kTag) ? is_ipv6(inside.substr(kTag.size())) : is_ipv4(inside);
}

// What is wrong with a domain, nullptr when nothing is. Underscores are no host names, but they are met in mail.
const char* fault_of_domain(std::string_view domain) {
  if (domain.empty()) return "empty domain";
  if (domain.size() > kMaxDomain) return "domain too long";
  if (domain.front() == '[') return is_address_literal(domain) ? nullptr : "bad address literal";
  bool digits_only = true;
  while (true) {
    const size_t end = std::min(domain.find('.'), domain.size());
    const std::string_view label = domain.substr(0, end);
    // What a label beyond ASCII is called in the DNS is shorter than its octets, or longer: who looks it up will know.
    if (label.empty() || (label.size() > 63 && util::is_ascii(label))) return "bad length of a domain label";
    if (label.front() == '-' || label.back() == '-') return "misplaced hyphen in domain";
    for (const char c : label)
      if (!util::is_alnum(c) && c != '-' && c != '_' && !is_high(c)) return "bad character in domain";
    digits_only = std::ranges::all_of(label, util::is_digit);
    if (end == domain.size()) break;
    domain.remove_prefix(end + 1);
  }
  // "user@192.0.2.1" would be taken for a host's address by some resolvers; the literal has brackets.
  return digits_only ? "numeric domain" : nullptr;
}

// What is wrong with a local part, nullptr when nothing is.
const char* fault_of_local(std::string_view local) {
  if (local.empty()) return "empty local part";
  if (local.size() > kMaxLocalPart) return "local part too long";
  if (local.front() == '"') return quoted_length(local) == local.size() ? nullptr : "bad quoted local part";
  const auto is_good = [](char c) { return is_atext_or_dot(c) || is_high(c); };
  return std::ranges::all_of(local, is_good) ? nullptr : "bad character in local part";
}

// Octets before the '@' that ends the local part; nothing when there is none.
std::optional<size_t> local_length(std::string_view mailbox) {
  const size_t quoted = mailbox.starts_with('"') ? quoted_length(mailbox) : 0;
  const size_t at = mailbox.find('@', quoted);
  return at == mailbox.npos ? std::nullopt : std::optional(at);
}

// Octets up to the '>' that closes a path which begins with '<'; nothing when none does.
std::optional<size_t> path_length(std::string_view text) {
  bool quoted = false;
  for (size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') quoted = !quoted;
    if (quoted && text[i] == '\\') {
      ++i;
    } else if (!quoted && text[i] == '>') {
      return i + 1;
    }
  }
  return std::nullopt;
}

// Takes the path, without its brackets and white space, from the start of `text`.
util::Result<std::string_view> take_path(std::string_view& text, bool strict) {
  std::string_view rest = text;
  if (!strict) skip_blanks(rest);
  std::string_view path;
  if (rest.starts_with('<')) {
    const std::optional<size_t> length = path_length(rest);
    if (!length) return util::permanent("missing '>'");
    if (*length > kMaxPath) return util::permanent("path too long");
    path = rest.substr(1, *length - 2);
    rest.remove_prefix(*length);
    if (!strict) path = util::trim(path);
  } else {
    if (strict) return util::permanent("missing '<'");
    const size_t quoted = rest.starts_with('"') ? quoted_length(rest) : 0;
    const size_t length = std::min(rest.find_first_of(" \t", quoted), rest.size());
    if (length == 0) return util::permanent("missing address");
    if (length + 2 > kMaxPath) return util::permanent("path too long");
    path = rest.substr(0, length);
    rest.remove_prefix(length);
  }
  if (!rest.empty() && !is_blank(rest.front())) return util::permanent("text directly behind the address");
  text = rest;
  return path;
}

// RFC 5321 section 4.1.1.3 and appendix C: a source route "@a,@b:" is read and ignored.
util::Result<std::string_view> without_route(std::string_view path) {
  if (!path.starts_with('@')) return path;
  const size_t colon = path.find(':');
  if (colon == path.npos) return util::permanent("bad source route");
  std::string_view route = path.substr(0, colon);
  while (true) {
    const size_t end = std::min(route.find(','), route.size());
    if (route.front() != '@' || fault_of_domain(route.substr(1, end - 1))) return util::permanent("bad source route");
    if (end == route.size()) return path.substr(colon + 1);
    route.remove_prefix(end + 1);
    if (route.empty()) return util::permanent("bad source route");
  }
}

}  // namespace

util::Result<Address> parse_mailbox(std::string_view text) {
  if (!std::ranges::all_of(text, is_printable)) return util::permanent("control character in address");
  if (!util::is_utf8(text)) return util::permanent("octets that are not UTF-8 in address");
  const std::optional<size_t> length = local_length(text);
  if (!length) return util::permanent("address without domain");
  if (const char* fault = fault_of_local(text.substr(0, *length))) return util::permanent(fault);
  if (const char* fault = fault_of_domain(text.substr(*length + 1))) return util::permanent(fault);
  return Address{std::string(text), *length};
}

util::Result<Address> take_reverse_path(std::string_view& text, bool strict) {
  std::string_view rest = text;
  const util::Result<std::string_view> path = take_path(rest, strict);
  if (!path) return std::unexpected(path.error());
  if (path->empty()) {
    text = rest;
    return Address{};
  }
  const util::Result<std::string_view> mailbox = without_route(*path);
  if (!mailbox) return std::unexpected(mailbox.error());
  util::Result<Address> address = parse_mailbox(*mailbox);
  if (address) text = rest;
  return address;
}

util::Result<Address> take_forward_path(std::string_view& text, bool strict) {
  std::string_view rest = text;
  const util::Result<std::string_view> path = take_path(rest, strict);
  if (!path) return std::unexpected(path.error());
  if (path->empty()) return util::permanent("empty address");
  if (util::iequals(*path, "postmaster")) {
    text = rest;
    return Address{std::string(*path), path->size()};
  }
  const util::Result<std::string_view> mailbox = without_route(*path);
  if (!mailbox) return std::unexpected(mailbox.error());
  util::Result<Address> address = parse_mailbox(*mailbox);
  if (address) text = rest;
  return address;
}

std::string_view domain_of(std::string_view mailbox) {
  const size_t quoted = mailbox.starts_with('"') ? quoted_length(mailbox) : 0;
  const size_t at = mailbox.rfind('@');
  return at == mailbox.npos || at < quoted ? std::string_view() : mailbox.substr(at + 1);
}

}  // namespace hikyaku::smtp
