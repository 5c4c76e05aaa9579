// Continuation lines joined, comments dropped.
#include "config/logical_lines.h"

#include "util/text.h"

namespace hikyaku::config {

std::vector<LogicalLine> logical_lines(std::string_view text) {
  std::vector<LogicalLine> lines;
  size_t number = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view physical = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    const std::string_view visible = util::trim(physical);
    if (visible.empty() || visible.front() == '#') continue;
    const bool continues = util::is_space(physical.front());
    if (continues && !lines.empty()) {
      lines.back().text.append(" ").append(visible);
    } else {
      lines.push_back({number, std::string(visible), continues});
    }
  }
  return lines;
}

std::string place_of_line(std::string_view file, size_t number) {
  return std::string(file) + ":" + std::to_string(number);
}

}  // namespace hikyaku::config
