// Breaks content lines that are too long for SMTP.
#include "smtp/line_folder.h"

#include <algorithm>
#include <utility>

namespace hikyaku::smtp {

void LineFolder::append(std::string_view content, std::string& out) {
  while (!content.empty()) {
    const size_t lf = content.find('\n');
    const bool ends = lf != content.npos;
    std::string_view text = content.substr(0, lf);
    if (cr_ && !text.empty()) {
      put("\r", out);
      cr_ = false;
    }
    if (text.ends_with('\r')) {
      text.remove_suffix(1);
      cr_ = true;
    }
    put(text, out);
    if (!ends) return;
    out += std::exchange(cr_, false) ? "\r\n" : "\n";
    column_ = 0;
    content.remove_prefix(lf + 1);
  }
}

void LineFolder::end(std::string& out) {
  if (std::exchange(cr_, false)) put("\r", out);
}

void LineFolder::put(std::string_view text, std::string& out) {
  while (text.size() > limit_ - column_) {
    const size_t room = limit_ - column_;
    out.append(text.substr(0, room)).append("\r\n ");
    text.remove_prefix(room);
    column_ = 1;
  }
  out += text;
  column_ += text.size();
}

}  // namespace hikyaku::smtp
