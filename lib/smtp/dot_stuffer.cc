// The wire form of a message's content.
#include "smtp/dot_stuffer.h"

namespace hikyaku::smtp {

// A dot behind a bare LF is doubled too. No content of ours has bare LFs; but if some ever came this far, a reader that
// takes LF for a line end must not find an end of data in it.
void DotStuffer::append(std::string_view content, std::string& wire) {
  const bool at_line_start = after_ == After::kLineEnd || after_ == After::kBareLf;
  if (at_line_start && content.starts_with('.')) wire.push_back('.');
  constexpr std::string_view kDotLine = "\n.";
  size_t written = 0;
  for (size_t at = content.find(kDotLine); at != content.npos; at = content.find(kDotLine, written)) {
    wire.append(content.substr(written, at + 1 - written)).append(".");
    written = at + 1;
  }
  wire.append(content.substr(written));
  seen(content);
}

void DotStuffer::seen(std::string_view content) {
  if (content.empty()) return;
  const bool cr_before = content.size() > 1 ? content[content.size() - 2] == '\r' : after_ == After::kCr;
  const char last = content.back();
  if (last == '\n') {
    after_ = cr_before ? After::kLineEnd : After::kBareLf;
  } else {
    after_ = last == '\r' ? After::kCr : After::kOther;
  }
}

std::string_view DotStuffer::end() const { return after_ == After::kLineEnd ? ".\r\n" : "\r\n.\r\n"; }

}  // namespace hikyaku::smtp
