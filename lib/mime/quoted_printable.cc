// The transfer encoding quoted-printable.
#include "mime/quoted_printable.h"

namespace hikyaku::mime {
namespace {

// A line holds 76; its last octet is kept for the '=' of a soft line break.
constexpr size_t kRoom = 75;

constexpr bool is_blank(char c) { return c == ' ' || c == '\t'; }
constexpr bool is_plain(char c) { return (c >= ' ' && c <= '~' && c != '=') || c == '\t'; }

}  // namespace

void append_hex(char c, std::string& out) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  const auto octet = static_cast<unsigned char>(c);
  const char text[] = {'=', kDigits[octet >> 4], kDigits[octet & 15]};
  out.append(text, sizeof text);
}

void QuotedPrintableEncoder::append(std::string_view data, std::string& out) {
  for (const char c : data) {
    if (held_ == '\r' && c == '\n') {
      out += "\r\n";
      column_ = 0;
      held_ = 0;
      continue;
    }
    if (held_ == '\r' || (held_ != 0 && c == '\r')) {
      put_encoded(held_, out);
    } else if (held_ != 0) {
      put(held_, out);
    }
    held_ = 0;
    if (is_blank(c) || c == '\r') {
      held_ = c;
    } else {
      put(c, out);
    }
  }
}

void QuotedPrintableEncoder::end(std::string& out) {
  if (held_ != 0) put_encoded(held_, out);
  held_ = 0;
  column_ = 0;
}

void QuotedPrintableEncoder::put(char c, std::string& out) {
  if (!is_plain(c)) return put_encoded(c, out);
  make_room(1, out);
  if (c == '-' && column_ == 0) return put_encoded(c, out);
  out += c;
  ++column_;
}

void QuotedPrintableEncoder::put_encoded(char c, std::string& out) {
  make_room(3, out);
  append_hex(c, out);
  column_ += 3;
}

void QuotedPrintableEncoder::make_room(size_t octets, std::string& out) {
  if (column_ + octets <= kRoom) return;
  out += "=\r\n";
  column_ = 0;
}

}  // namespace hikyaku::mime
