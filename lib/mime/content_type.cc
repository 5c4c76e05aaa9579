// What the header of a MIME entity says of its body.
#include "mime/content_type.h"

#include <algorithm>

#include "mime/header_block.h"
#include "util/text.h"

namespace hikyaku::mime {
namespace {

// Reads a structured field from its front to its end.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) { skip_blanks(); }

  bool at_end() const { return rest_.empty(); }
  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    skip_blanks();
    return true;
  }
  // Octets up to one of `ends` or white space, then what separates them from the next.
  std::string_view word(std::string_view ends) {
    size_t length = 0;
    while (length < rest_.size() && !util::is_space(rest_[length]) && ends.find(rest_[length]) == ends.npos) ++length;
    const std::string_view found = rest_.substr(0, length);
    rest_.remove_prefix(length);
    skip_blanks();
    return found;
  }
  // A quoted-string, or a word up to ';': '=', '?' and the like stand there without quotes in much mail.
  std::string value() {
    if (!rest_.starts_with('"')) return std::string(word(";"));
    std::string text;
    size_t at = 1;
    for (; at < rest_.size() && rest_[at] != '"'; ++at) {
      if (rest_[at] == '\\' && at + 1 < rest_.size()) ++at;
      text += rest_[at];
    }
    rest_.remove_prefix(std::min(at + 1, rest_.size()));
    skip_blanks();
    return text;
  }

 private:
  // White space and comments, which nest.
  void skip_blanks() {
    size_t at = 0, depth = 0;
    for (; at < rest_.size(); ++at) {
      const char c = rest_[at];
      if (c == '(') {
        ++depth;
      } else if (depth > 0 && c == ')') {
        --depth;
      } else if (depth > 0 && c == '\\') {
        ++at;
      } else if (depth == 0 && !util::is_space(c)) {
        break;
      }
    }
    rest_.remove_prefix(std::min(at, rest_.size()));
  }

  std::string_view rest_;
};

}  // namespace

ContentType parse_content_type(std::string_view value) {
  const std::string line = unfold(value);
  Scanner scanner(line);
  ContentType found;
  found.type = util::to_lower(scanner.word("/;("));
  if (scanner.take('/')) found.subtype = util::to_lower(scanner.word(";("));
  if (found.type.empty() || found.subtype.empty()) return {};
  std::string in_pieces;
  while (!scanner.at_end()) {
    if (scanner.take(';')) continue;
    const std::string_view name = scanner.word("=;");
    if (!scanner.take('=')) {
      if (name.empty()) break;
      continue;
    }
    std::string text = scanner.value();
    if (util::iequals(name, "boundary") && found.boundary.empty())
      found.boundary = std::move(text);
    else if (util::istarts_with(name, "boundary*") && !name.ends_with('*'))
      in_pieces += text;
  }
  if (found.boundary.empty()) found.boundary = std::move(in_pieces);
  found.boundary.erase(found.boundary.find_last_not_of(" \t\r\n") + 1);
  return found;
}

TransferEncoding parse_transfer_encoding(std::string_view value) {
  const std::string line = unfold(value);
  const std::string_view word = Scanner(line).word(";(");
  if (word.empty() || util::iequals(word, "7bit")) return TransferEncoding::kSevenBit;
  if (util::iequals(word, "8bit")) return TransferEncoding::kEightBit;
  return util::iequals(word, "binary") ? TransferEncoding::kBinary : TransferEncoding::kOther;
}

}  // namespace hikyaku::mime
