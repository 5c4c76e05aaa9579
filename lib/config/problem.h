// What is wrong in a configuration file, and where.
#pragma once

#include <string>
#include <vector>

namespace hikyaku::config {

struct Problem {
  std::string place;  // "main.cf:12", "master.cf:3"; empty when no line is to blame
  std::string text;
  bool warning = false;  // a warning never refuses a start or a reload

  bool operator==(const Problem&) const = default;
};

using Problems = std::vector<Problem>;

// "main.cf:12: text", a warning as "main.cf:12: warning: text"; without a place just the text.
std::string to_line(const Problem& problem);
// True when one of them is more than a warning: the configuration must not be used.
bool has_errors(const Problems& problems);

}  // namespace hikyaku::config
