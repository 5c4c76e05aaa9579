// A reader of MIME mail for the tests of what changes it.
#include "t/lib/mime/mail_reader.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <utility>

namespace hikyaku::mime {
namespace {

using Kind = Piece::Kind;

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

// Recursive descent over lines. Whoever reads stops at a boundary of any multipart around it.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  std::vector<Piece> read() {
    entity(false);
    return std::move(pieces_);
  }

 private:
  bool at_end() const { return at_ >= text_.size(); }
  // The line at the front, with its line end.
  std::string_view line() const {
    const size_t end = text_.find("\r\n", at_);
    return text_.substr(at_, end == text_.npos ? text_.npos : end + 2 - at_);
  }
  // How far out the multipart stands that this line is a boundary of; its number from the outermost, or -1.
  int boundary(std::string_view text, bool& closes) const {
    std::string trimmed(text);
    while (!trimmed.empty() && std::string_view(" \t\r\n").find(trimmed.back()) != std::string_view::npos)
      trimmed.pop_back();
    for (int i = static_cast<int>(around_.size()) - 1; i >= 0; --i) {
      closes = trimmed == "--" + around_[static_cast<size_t>(i)] + "--";
      if (closes || trimmed == "--" + around_[static_cast<size_t>(i)]) return i;
    }
    return -1;
  }
  bool at_boundary() const {
    bool closes = false;
    return !at_end() && boundary(line(), closes) >= 0;
  }
  std::string up_to_boundary() {
    std::string text;
    while (!at_end() && !at_boundary()) {
      text += line();
      at_ += line().size();
    }
    return text;
  }

  void entity(bool in_digest) {
    std::string type, encoding, fields, header, name;
    bool ended = false;
    for (bool first = true; !ended && !at_end() && !at_boundary(); first = false) {
      const std::string text(line());
      const bool folded = text[0] == ' ' || text[0] == '\t';
      const size_t colon = text.find(':');
      const std::string before = text.substr(0, text.find_last_not_of(" \t", colon - 1) + 1);
      const bool field = colon != text.npos && !folded && !before.empty() &&
                         std::ranges::all_of(before, [](char c) { return c > ' ' && c < 127; });
      ended = text == "\r\n" || (first && !field && !text.starts_with("From "));
      if (ended && text != "\r\n") break;
      at_ += text.size();
      header += text;
      if (!folded) name = field ? lower(before) : "";
      const std::string value = folded ? text : text.substr(colon + 1);
      if (name == "content-type") {
        if (!folded && !type.empty()) name += " again";
        if (name == "content-type") type += value;
      } else if (name == "content-transfer-encoding") {
        if (!folded && !encoding.empty()) name += " again";
        if (name == "content-transfer-encoding") encoding += value;
      } else if (name != "mime-version" && !name.ends_with(" again") && !ended) {
        fields += text;
      }
    }
    pieces_.push_back({Kind::kHeader, ended ? fields : header, "", ""});
    if (!ended) return;
    std::istringstream(std::exchange(encoding, "")) >> encoding;
    if (type.empty()) type = in_digest && !header.empty() ? "message/rfc822" : "text/plain";
    type.erase(0, type.find_first_not_of(' '));
    body(type, encoding.empty() ? "7bit" : lower(encoding));
  }

  void body(const std::string& written, const std::string& encoding) {
    const std::string type = lower(written);
    const size_t at = type.find("boundary=");
    std::string mark;
    if (at != type.npos) std::istringstream(written.substr(at + 9)) >> mark;
    std::erase(mark, '"');
    const bool is_open = encoding == "7bit" || encoding == "8bit" || encoding == "binary";
    if (type.starts_with("multipart/") && !mark.empty()) return multipart(mark, type.starts_with("multipart/digest"));
    if (is_open && type.starts_with("message/rfc822")) return entity(false);
    Piece leaf{Kind::kLeaf, "", encoding, up_to_boundary()};
    if (type.starts_with("message/") && !type.starts_with("message/global")) leaf.encoding = "as it came";
    leaf.content = encoding == "quoted-printable" ? decode_quoted_printable(leaf.raw) : leaf.raw;
    pieces_.push_back(std::move(leaf));
  }

  void multipart(const std::string& mark, bool digest) {
    const size_t level = around_.size();
    around_.push_back(mark);
    around_parts();
    for (bool closes = false; !closes && !at_end() && boundary(line(), closes) == static_cast<int>(level);) {
      pieces_.push_back({Kind::kBoundary, std::string(line()), "", ""});
      at_ += line().size();
      if (!closes) entity(digest);
    }
    around_.resize(level);
    around_parts();  // nothing, if another's boundary ended it
  }

  void around_parts() {
    std::string text;
    for (const char c : up_to_boundary()) {
      char escaped[4];
      std::snprintf(escaped, sizeof escaped, "=%02X", static_cast<unsigned char>(c));
      text += static_cast<unsigned char>(c) > 127 ? std::string(escaped) : std::string(1, c);
    }
    pieces_.push_back({Kind::kAround, text, "", ""});
  }

  std::string_view text_;
  size_t at_ = 0;
  std::vector<std::string> around_;
  std::vector<Piece> pieces_;
};

}  // namespace

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = text.find("\r\n");
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end == text.npos ? text.size() : end + 2);
  }
  return lines;
}

std::string decode_quoted_printable(std::string_view text) {
  std::string decoded;
  while (!text.empty()) {
    const size_t end = text.find("\r\n");
    std::string line(text.substr(0, end));
    text.remove_prefix(end == text.npos ? text.size() : end + 2);
    while (line.ends_with(' ') || line.ends_with('\t')) line.pop_back();
    const bool soft = line.ends_with('=');
    if (soft) line.pop_back();
    for (size_t i = 0; i < line.size(); ++i) {
      const std::string digits = line[i] == '=' ? line.substr(i + 1, 2) : "";
      char* stop = nullptr;
      const long code = std::strtol(digits.c_str(), &stop, 16);
      const bool is_code = digits.size() == 2 && stop == digits.c_str() + 2;
      decoded += is_code ? static_cast<char>(code) : line[i];
      if (is_code) i += 2;
    }
    if (!soft && end != text.npos) decoded += "\r\n";
  }
  return decoded;
}

std::vector<Piece> read_mail(std::string_view text) { return Reader(text).read(); }

}  // namespace hikyaku::mime
