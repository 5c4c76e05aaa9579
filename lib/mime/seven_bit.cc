// Mail with octets above 127 made into mail without them.
#include "mime/seven_bit.h"

#include <algorithm>
#include <utility>

#include "mime/header_block.h"
#include "util/text.h"

namespace hikyaku::mime {
namespace {

// A longer line comes in pieces, and can be no boundary.
constexpr size_t kLongestPiece = 2048;
// RFC 2046 section 5.1.1 allows 70; RFC 5321 lines leave room for so many.
constexpr size_t kLongestBoundary = 994;
constexpr size_t kMostMultiparts = 100;
constexpr size_t kLongestHeader = 512 << 10;
constexpr size_t kMostHeld = 64 << 10;  // of a body

// Whether a header may begin with this line. A mailbox's separator is none, but no body either.
bool begins_header(std::string_view line) {
  const HeaderBlock block(line);
  const bool is_field = block.begin() != block.end() && !block.begin()->name.empty();
  return is_field || line.starts_with("From ") || line.starts_with(">From ");
}

bool is_labelled_above_seven_bit(TransferEncoding label) {
  return label == TransferEncoding::kEightBit || label == TransferEncoding::kBinary;
}

void escape(std::string_view text, std::string& out) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) > 127) {
      append_hex(c, out);
    } else {
      out += c;
    }
  }
}

}  // namespace

// ---- lines -------------------------------------------------------------------------------------------------------

// Where a line that is too long is cut depends on its length alone. CR and LF stay together.
void SevenBit::append(std::string_view content, std::string& out) {
  while (!content.empty()) {
    const std::string_view room = content.substr(0, kLongestPiece - piece_.size());
    const size_t lf = room.find('\n');
    const std::string_view taken = room.substr(0, lf == room.npos ? lf : lf + 1);
    piece_ += taken;
    content.remove_prefix(taken.size());
    if (piece_.ends_with("\r\n")) {
      take(piece_, true, out);
      piece_.clear();
      line_start_ = true;
    } else if (piece_.size() == kLongestPiece) {
      const bool keeps_cr = piece_.back() == '\r';
      if (keeps_cr) piece_.pop_back();
      take(piece_, false, out);
      piece_.assign(keeps_cr ? 1 : 0, '\r');
      line_start_ = false;
    }
  }
}

void SevenBit::end(std::string& out) {
  if (!piece_.empty()) take(piece_, true, out);
  piece_.clear();
  end_entity(out);
}

void SevenBit::take(std::string_view piece, bool is_line, std::string& out) {
  if (const auto found = line_start_ && is_line ? delimiter(piece) : std::nullopt)
    take_delimiter(*found, piece, out);
  else if (at_ == At::kHeader)
    take_header(piece, out);
  else if (at_ == At::kBody)
    take_body(piece, out);
  else {
    out += piece;
    if (line_start_ && piece == "\r\n") at_ = At::kBody;
  }
}

// ---- multiparts --------------------------------------------------------------------------------------------------

// The innermost multipart that `line` is a boundary of. Behind a boundary there may be white space, and nothing else.
std::optional<SevenBit::Delimiter> SevenBit::delimiter(std::string_view line) const {
  if (open_.empty() || !line.starts_with("--")) return std::nullopt;
  line = line.substr(2, line.find_last_not_of(" \t\r\n") - 1);
  for (size_t level = open_.size(); level-- > 0;) {
    const std::string_view boundary = open_[level].boundary;
    if (!line.starts_with(boundary)) continue;
    const std::string_view rest = line.substr(boundary.size());
    if (rest.empty() || rest == "--") return Delimiter{level, !rest.empty()};
  }
  return std::nullopt;
}

void SevenBit::take_delimiter(Delimiter found, std::string_view line, std::string& out) {
  end_entity(out);
  out += line;
  const bool in_digest = open_[found.level].digest;
  open_.resize(found.closes ? found.level : found.level + 1);
  if (!found.closes) return begin_entity(false, in_digest);
  at_ = At::kBody;
  body_ = Body::kEscaped;
}

// ---- headers -----------------------------------------------------------------------------------------------------

void SevenBit::begin_entity(bool is_message, bool in_digest) {
  at_ = At::kHeader;
  is_message_ = is_message;
  in_digest_ = in_digest;
}

void SevenBit::take_header(std::string_view piece, std::string& out) {
  if (held_.empty() && piece != "\r\n" && !begins_header(piece)) {
    end_header(out);
    return take_body(piece, out);
  }
  held_ += piece;
  if (line_start_ && piece == "\r\n") return end_header(out);
  if (held_.size() <= kLongestHeader) return;
  out += held_;
  held_.clear();
  at_ = At::kLongHeader;
  body_ = Body::kAsItCame;
}

void SevenBit::end_header(std::string& out) {
  at_ = At::kBody;
  header_size_ = held_.size();
  const HeaderBlock header(held_);
  const auto type_field = header.find_first("Content-Type");
  const auto label_field = header.find_first("Content-Transfer-Encoding");
  ContentType type = type_field ? parse_content_type(type_field->value) : ContentType{};
  if (!type_field && in_digest_ && header_size_ > 0) type = {"message", "rfc822", ""};  // RFC 2046 section 5.1.5
  const TransferEncoding label =
      label_field ? parse_transfer_encoding(label_field->value) : TransferEncoding::kSevenBit;
  const bool is_multipart = type.type == "multipart";
  if (is_multipart && !type.boundary.empty() && type.boundary.size() <= kLongestBoundary &&
      open_.size() < kMostMultiparts) {
    write_composite(label, out);
    open_.push_back({std::move(type.boundary), type.subtype == "digest"});
    body_ = Body::kEscaped;
    return;
  }
  const bool is_open = label != TransferEncoding::kOther;
  if (is_open && type.type == "message" && (type.subtype == "rfc822" || type.subtype == "news")) {
    write_composite(label, out);
    return begin_entity(true, false);
  }
  needs_type_ = !type_field || is_multipart;
  const bool is_leaf = type.type != "message" || type.subtype.starts_with("global");
  if (is_open && is_leaf) return begin_leaf(label, out);
  out += std::exchange(held_, {});
  body_ = Body::kAsItCame;
}

void SevenBit::begin_leaf(TransferEncoding label, std::string& out) {
  body_ = Body::kHeld;
  if (is_labelled_above_seven_bit(label)) begin_encoding(out);
}

// What is inside may change later, which makes it MIME.
void SevenBit::write_composite(TransferEncoding label, std::string& out) {
  write_header(is_labelled_above_seven_bit(label) ? "7bit" : "", false, out);
  held_.clear();
}

// With this label instead of the one that it had, if any is given. A field that is replaced keeps its place, so that a
// header begins as it did.
void SevenBit::write_header(std::string_view label, bool needs_type, std::string& out) const {
  const std::string label_field = label.empty() ? "" : "Content-Transfer-Encoding: " + std::string(label) + "\r\n";
  const std::string_view type_field = needs_type ? "Content-Type: text/plain; charset=unknown-8bit\r\n" : "";
  const std::string_view text = std::string_view(held_).substr(0, header_size_);
  const HeaderBlock header(text);
  bool has_version = false, has_type = false, has_label = false;
  for (const Field& field : header) {
    if (!label_field.empty() && util::iequals(field.name, "Content-Transfer-Encoding")) {
      if (!std::exchange(has_label, true)) out += label_field;
    } else if (needs_type && util::iequals(field.name, "Content-Type")) {
      if (!std::exchange(has_type, true)) out += type_field;
    } else {
      out += field.text;
      has_version = has_version || util::iequals(field.name, "MIME-Version");
    }
  }
  if (is_message_ && !has_version) out += "MIME-Version: 1.0\r\n";
  if (!has_type) out += type_field;
  if (!has_label) out += label_field;
  const std::string_view rest = text.substr(header.size());
  out += rest.empty() ? "\r\n" : rest;
}

// ---- bodies ------------------------------------------------------------------------------------------------------

void SevenBit::take_body(std::string_view piece, std::string& out) {
  switch (body_) {
    case Body::kHeld:
      if (util::is_ascii(piece) && held_.size() - header_size_ + piece.size() <= kMostHeld) {
        held_ += piece;
        return;
      }
      begin_encoding(out);
      [[fallthrough]];
    case Body::kEncoded:
      return encoder_.append(piece, out);
    case Body::kEscaped:
      return escape(piece, out);
    case Body::kAsItCame:
      out += piece;
  }
}

void SevenBit::begin_encoding(std::string& out) {
  write_header("quoted-printable", needs_type_, out);
  encoder_.append(std::string_view(held_).substr(header_size_), out);
  held_.clear();
  body_ = Body::kEncoded;
}

// What is still held back has nothing to change.
void SevenBit::end_entity(std::string& out) {
  if (at_ == At::kBody && body_ == Body::kEncoded) encoder_.end(out);
  out += held_;
  held_.clear();
}

}  // namespace hikyaku::mime
