// What the header of a MIME entity says of its body: the type, and how it is encoded (RFC 2045 sections 5 and 6).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hikyaku::mime {

struct ContentType {
  std::string type, subtype;  // in lower case; both empty when the field makes no sense
  std::string boundary;       // without quotes and without white space at its end; empty when none is given
  bool operator==(const ContentType&) const = default;
};

// `value` is the field's raw value. Read as mail is found: a boundary may lack the quotes that its characters need, and
// of two the first counts. Pieces of a boundary (RFC 2231 section 3) are joined in the order in which they stand.
ContentType parse_content_type(std::string_view value);

enum class TransferEncoding : uint8_t {
  kSevenBit,  // also an empty field
  kEightBit,
  kBinary,
  kOther,  // quoted-printable, base64, or what nobody knows
};
TransferEncoding parse_transfer_encoding(std::string_view value);

}  // namespace hikyaku::mime
