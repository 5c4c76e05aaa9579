// Envelope addresses: the paths of MAIL and RCPT (RFC 5321 section 4.1.2) and the mailboxes in them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "util/error.h"

namespace hikyaku::smtp {

// Lengths of RFC 5321 section 4.5.3.1, in octets.
inline constexpr size_t kMaxLocalPart = 64;
inline constexpr size_t kMaxDomain = 255;
inline constexpr size_t kMaxPath = 256;

// A mailbox as it goes out again between angle brackets: `mailbox` is free of control octets, spaces (outside of a
// quoted local part), brackets of a path and source routes, so it can be written into a command as it is.
// The null sender has an empty mailbox; <Postmaster> without a domain has an empty domain.
struct Address {
  std::string mailbox;      // "user@example.jp", "\"a b\"@[192.0.2.1]", "Postmaster", ""
  size_t local_length = 0;  // octets of `mailbox` before the '@'

  bool is_null() const { return mailbox.empty(); }
  std::string_view local() const { return std::string_view(mailbox).substr(0, local_length); }
  std::string_view domain() const {
    return mailbox.size() > local_length ? std::string_view(mailbox).substr(local_length + 1) : std::string_view();
  }

  bool operator==(const Address&) const = default;
};

// Both read a path at the start of `text` and leave in `text` what follows it (parameters, with the space before
// them). An error is permanent and its text says what is wrong with the address; the caller chooses 5.1.7 or 5.1.3.
//
// Lenient, because mail for Japanese carriers needs it: dots at the start, at the end and in a row in a local part
// are accepted always. Unless `strict` also white space before the path and missing angle brackets (row 110).
// Characters beyond ASCII are taken in UTF-8 (RFC 6531 section 3.3); whether they may stand there, the caller knows.
util::Result<Address> take_reverse_path(std::string_view& text, bool strict);  // of MAIL; may be <>
util::Result<Address> take_forward_path(std::string_view& text, bool strict);  // of RCPT; may be <Postmaster>

// The whole of `text` as a mailbox with a domain, without angle brackets.
util::Result<Address> parse_mailbox(std::string_view text);

// What stands behind the last '@'; empty when there is none. An '@' inside a quoted local part is not a separator.
std::string_view domain_of(std::string_view mailbox);

}  // namespace hikyaku::smtp
