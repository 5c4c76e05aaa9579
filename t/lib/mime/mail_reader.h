// A reader of MIME mail for the tests of what changes it: written apart from lib/mime, whole texts, nothing streamed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hikyaku::mime {

// Without their line ends, which are CRLF alone.
std::vector<std::string_view> lines_of(std::string_view text);

std::string decode_quoted_printable(std::string_view text);

// What a message consists of, in its order.
struct Piece {
  enum class Kind { kHeader, kBoundary, kAround, kLeaf };
  Kind kind = Kind::kHeader;
  // A header's fields, without those of MIME; a boundary; the text around a multipart's parts with octets above 127 as
  // =XX; a leaf, decoded where it is quoted-printable.
  std::string content;
  // Of a leaf.
  std::string encoding, raw;
  bool operator==(const Piece& other) const { return kind == other.kind && content == other.content; }
};

std::vector<Piece> read_mail(std::string_view text);

}  // namespace hikyaku::mime
