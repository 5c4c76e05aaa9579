// What a sender asks to be told of its message's delivery (DSN, RFC 3461): the parameters of MAIL and RCPT. They are
// kept and go on to a next hop that knows them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hikyaku::smtp {

// NOTIFY, section 4.1. No bit set: none was given, and failures are reported.
inline constexpr uint8_t kNotifyNever = 1;
inline constexpr uint8_t kNotifySuccess = 2;
inline constexpr uint8_t kNotifyFailure = 4;
inline constexpr uint8_t kNotifyDelay = 8;

// "NEVER", or a list of the others. Nothing for anything else.
std::optional<uint8_t> read_notify(std::string_view value);
// The value of a NOTIFY that has these bits, at least one.
std::string notify_text(uint8_t bits);

// ENVID, section 4.4: xtext of at most 100 printable characters.
bool is_envelope_id(std::string_view value);

// ORCPT, section 4.2: "rfc822;user+2B1@example.com", of at most 500 octets. For the type utf-8 also the forms of RFC
// 6533 section 3, with characters beyond ASCII only where `utf8` allows them.
bool is_original_recipient(std::string_view value, bool utf8);
// The same in ASCII, "\x{FC}" for what is beyond: so it can go to any next hop that knows DSN.
std::string ascii_original_recipient(std::string_view value);

// Whom a message goes to, and what its sender wants to be told of that.
struct Recipient {
  std::string mailbox;               // without angle brackets
  std::string original_recipient{};  // ORCPT in ASCII, empty when not given
  uint8_t notify = 0;

  bool operator==(const Recipient&) const = default;
};

}  // namespace hikyaku::smtp
