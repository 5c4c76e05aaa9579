// The Received header that this relay adds to a message (rows 31, 32; C3, C4; RFC 5322 section 3.6.7, RFC 5321
// section 4.4).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hikyaku::cleanup {

// The key `received_header`.
enum class ReceivedHeader {
  kAbbreviated,  // row 31: what the client called itself and our name, no address
  kNormal,       // row 32: with the client's reverse name and address, and ours
  kNone,         // row 33: none is added, those present stay
  kStrip,        // row 34: none is added, those present are removed
};

// All of it may be a stranger's text; see `received_header`.
struct ReceivedFacts {
  std::string_view helo;
  std::string_view client_name;     // by reverse DNS, "unknown"
  std::string_view client_address;  // "192.0.2.1", "2001:db8::1"; empty for mail made on this machine
  std::string_view our_name;
  std::string_view our_address;  // the address that the client connected to
  int64_t arrival = 0;           // microseconds since 1970
  int utc_offset = 0;            // seconds east of Greenwich
};

// The field with its line ends, in one of these forms; empty for kNone and kStrip:
//
//   Received: from HELO by OUR-NAME;
//    Tue, 8 Mar 2016 16:01:54 +0900
//
//   Received: from HELO (CLIENT-NAME [CLIENT-ADDRESS])
//    by OUR-NAME (OUR-NAME [OUR-ADDRESS]);
//    Tue, 8 Mar 2016 16:10:36 +0900
//
// Mail made on this machine has no `from`. There is neither `with` nor `id`: row 32's form has none, and the log tells
// both. Valid by the strict grammar of RFC 5322 whatever the facts are: a byte that a name cannot have becomes
// '?', an overlong name is cut, an empty one is "unknown". The abbreviated form never tells an address: it names a
// client "unknown" that called itself by an address literal.
std::string received_header(ReceivedHeader form, const ReceivedFacts& facts);

}  // namespace hikyaku::cleanup
