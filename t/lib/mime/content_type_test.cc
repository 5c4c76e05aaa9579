// Types, boundaries and labels, as they stand in mail.
#include "mime/content_type.h"

#include <catch2/catch.hpp>

using namespace hikyaku::mime;

TEST_CASE("a content type is read with its boundary") {
  const struct {
    std::string value;
    ContentType type;
  } rows[] = {
      {" text/plain", {"text", "plain", ""}},
      {" Text/HTML; charset=utf-8", {"text", "html", ""}},
      {" multipart/mixed; boundary=abc", {"multipart", "mixed", "abc"}},
      {" multipart/mixed;\r\n\tboundary=\"a b\"", {"multipart", "mixed", "a b"}},
      {" multipart/mixed; charset=\"x;boundary=no\"; BOUNDARY = \"yes\" ", {"multipart", "mixed", "yes"}},
      {" multipart/mixed; boundary=\"q\\\"uo\\te\"", {"multipart", "mixed", "q\"uote"}},
      {" (a (nested) \\( comment) multipart (x) / (y) mixed (z) ; (w) boundary (v) = (u) abc (t)",
       {"multipart", "mixed", "abc"}},
      // Without the quotes that they need.
      {" multipart/mixed; boundary=----=_Part_1.2?:@", {"multipart", "mixed", "----=_Part_1.2?:@"}},
      {" multipart/mixed; boundary==_x; charset=y", {"multipart", "mixed", "=_x"}},
      {" multipart/mixed; boundary=a; boundary=b", {"multipart", "mixed", "a"}},
      {" multipart/mixed; boundary*1=\"c d\"; boundary*0=ab", {"multipart", "mixed", "c dab"}},
      {" multipart/mixed; boundary*0=\"ab\"; boundary*1=cd", {"multipart", "mixed", "abcd"}},
      {" multipart/mixed; boundary*=us-ascii''ab", {"multipart", "mixed", ""}},
      {" multipart/mixed; boundary=\"trailing  \"", {"multipart", "mixed", "trailing"}},
      {" multipart/mixed; boundary=\"open", {"multipart", "mixed", "open"}},
      {" multipart/mixed; boundary=\"\"", {"multipart", "mixed", ""}},
      {" multipart/mixed; boundary", {"multipart", "mixed", ""}},
      {" multipart/mixed;;; = ; =x; boundary=b", {"multipart", "mixed", "b"}},
      {" multipart/mixed boundary=b", {"multipart", "mixed", "b"}},
      {" multipart/mixed; boundary=\"f\r\n old\"", {"multipart", "mixed", "f old"}},
      {" multipart", {}},
      {" multipart/", {}},
      {" /mixed", {}},
      {"", {}},
      {" (open", {}},
      {" text/plain (open \\", {"text", "plain", ""}},
      {" \"text\"/plain", {"\"text\"", "plain", ""}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.value);
    const ContentType type = parse_content_type(row.value);
    CHECK(type.type == row.type.type);
    CHECK(type.subtype == row.type.subtype);
    CHECK(type.boundary == row.type.boundary);
  }
}

TEST_CASE("a transfer encoding is read as its first word") {
  const struct {
    std::string value;
    TransferEncoding encoding;
  } rows[] = {
      {" 7bit", TransferEncoding::kSevenBit},
      {"", TransferEncoding::kSevenBit},
      {" \r\n ", TransferEncoding::kSevenBit},
      {" 8BIT", TransferEncoding::kEightBit},
      {"\r\n 8bit (octets)", TransferEncoding::kEightBit},
      {" (x) Binary;", TransferEncoding::kBinary},
      {" quoted-printable", TransferEncoding::kOther},
      {" base64", TransferEncoding::kOther},
      {" x-uuencode", TransferEncoding::kOther},
      {" 8bitx", TransferEncoding::kOther},
  };
  for (const auto& row : rows) {
    CAPTURE(row.value);
    CHECK(parse_transfer_encoding(row.value) == row.encoding);
  }
}
