// The lines of main.cf and master.cf after continuation lines are joined and comments dropped.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace hikyaku::config {

struct LogicalLine {
  size_t number = 0;    // of its first physical line, from 1
  std::string text;     // trimmed; the pieces of continuation lines joined with one blank
  bool orphan = false;  // it begins with white space, with no line before it that it could continue

  bool operator==(const LogicalLine&) const = default;
};

std::vector<LogicalLine> logical_lines(std::string_view text);
// "main.cf:12"
std::string place_of_line(std::string_view file, size_t number);

}  // namespace hikyaku::config
