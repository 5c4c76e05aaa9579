// The Received header that this relay adds to a message.
#include "cleanup/received.h"

#include <algorithm>

#include "mime/date.h"
#include "util/text.h"

namespace hikyaku::cleanup {
namespace {

// RFC 5321 section 4.5.3.1.2; it also keeps every line of the field far below 998 bytes.
constexpr size_t kLongestName = 255;
constexpr size_t kLongestAddress = 64;

constexpr bool is_name_char(char c) { return util::is_alnum(c) || c == '-' || c == '_'; }
constexpr bool is_address_char(char c) { return util::is_alnum(c) || c == '.' || c == ':' || c == '-'; }

// A dot-atom (RFC 5322 section 3.2.3): no dot at an end, no two in a row.
void append_name(std::string& out, std::string_view name) {
  const size_t start = out.size();
  for (const char c : name.substr(0, kLongestName)) {
    if (c != '.') {
      out += is_name_char(c) ? c : '?';
    } else if (out.size() > start && out.back() != '.') {
      out += '.';
    }
  }
  if (out.size() > start && out.back() == '.') out.pop_back();
  if (out.size() == start) out += "unknown";
}

// An address literal (RFC 5321 section 4.1.3): "[192.0.2.1]", "[IPv6:2001:db8::1]".
void append_literal(std::string& out, std::string_view address) {
  const bool needs_tag = address.find(':') != std::string_view::npos && !util::istarts_with(address, "IPv6:");
  out += needs_tag ? "[IPv6:" : "[";
  for (const char c : address.substr(0, kLongestAddress)) out += is_address_char(c) ? c : '?';
  out += ']';
}

bool is_literal(std::string_view name) {
  return name.size() > 2 && name.size() <= kLongestAddress && name.front() == '[' && name.back() == ']' &&
         std::ranges::all_of(name.substr(1, name.size() - 2), is_address_char);
}

// Four numbers, or anything with a colon: no host is called so.
bool looks_like_address(std::string_view name) {
  return name.find_first_of(":[") != std::string_view::npos ||
         name.find_first_not_of("0123456789.") == std::string_view::npos;
}

void append_host(std::string& out, std::string_view name, std::string_view address) {
  out += " (";
  append_name(out, name);
  if (!address.empty()) {
    out += ' ';
    append_literal(out, address);
  }
  out += ')';
}

void append_abbreviated(std::string& out, const ReceivedFacts& facts) {
  if (!facts.client_address.empty()) {
    out += "from ";
    append_name(out, looks_like_address(facts.helo) ? "unknown" : facts.helo);
    out += ' ';
  }
  out += "by ";
  append_name(out, facts.our_name);
}

void append_normal(std::string& out, const ReceivedFacts& facts) {
  if (!facts.client_address.empty()) {
    out += "from ";
    if (is_literal(facts.helo)) {
      append_literal(out, facts.helo.substr(1, facts.helo.size() - 2));
    } else {
      append_name(out, facts.helo);
    }
    append_host(out, facts.client_name, facts.client_address);
    out += "\r\n ";
  }
  out += "by ";
  append_name(out, facts.our_name);
  if (!facts.our_address.empty()) append_host(out, facts.our_name, facts.our_address);
}

}  // namespace

std::string received_header(ReceivedHeader form, const ReceivedFacts& facts) {
  std::string out;
  if (form == ReceivedHeader::kNone || form == ReceivedHeader::kStrip) return out;
  out.reserve(256);
  out += "Received: ";
  if (form == ReceivedHeader::kAbbreviated) {
    append_abbreviated(out, facts);
  } else {
    append_normal(out, facts);
  }
  out += ";\r\n ";
  mime::append_date(out, facts.arrival, facts.utc_offset);
  out += "\r\n";
  return out;
}

}  // namespace hikyaku::cleanup
