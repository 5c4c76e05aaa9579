// How much of an undelivered message goes back with its report.
#include "bounce/returned_content.h"

#include <algorithm>

#include "mime/header_block.h"

namespace hikyaku::bounce {
namespace {

// Below the 998 of RFC 5322 section 2.1.1, with room for a dot that SMTP adds.
constexpr size_t kLongestLine = 990;

bool is_clean_line(std::string_view line) {
  return line.size() <= kLongestLine && line.find_first_of(std::string_view("\r\0", 2)) == std::string_view::npos;
}

// The line at the front of `rest` without its line end; `rest` goes on behind it. `ended` tells of a proper CRLF.
std::string_view take_line(std::string_view& rest, bool& ended) {
  const size_t lf = rest.find('\n');
  std::string_view line = rest.substr(0, lf);
  rest.remove_prefix(lf == std::string_view::npos ? rest.size() : lf + 1);
  ended = lf != std::string_view::npos && line.ends_with('\r');
  if (ended) line.remove_suffix(1);
  return line;
}

bool can_be_sent_anywhere(std::string_view content) {
  while (!content.empty()) {
    bool ended = false;
    const std::string_view line = take_line(content, ended);
    if (!ended || !is_clean_line(line)) return false;
  }
  return true;
}

ReturnedContent header_of(std::string_view original, size_t limit) {
  ReturnedContent returned;
  std::string_view rest = original.substr(0, mime::HeaderBlock(original).size());
  while (!rest.empty()) {
    bool ended = false;
    const std::string_view line = take_line(rest, ended);
    if (returned.text.size() + std::min(line.size(), kLongestLine) + 2 > limit) {
      returned.cut = true;
      return returned;
    }
    returned.cut = returned.cut || line.size() > kLongestLine;
    for (const char c : line.substr(0, kLongestLine)) returned.text += c == '\0' || c == '\r' ? '?' : c;
    returned.text += "\r\n";
  }
  return returned;
}

}  // namespace

ReturnedContent returned_content(std::string_view original, size_t limit, bool headers_only) {
  if (headers_only || original.size() > limit) return header_of(original, limit);
  std::string text(original);
  if (!text.empty() && !text.ends_with('\n')) text += "\r\n";
  if (!can_be_sent_anywhere(text)) return header_of(original, limit);
  return {std::move(text), true, false};
}

}  // namespace hikyaku::bounce
