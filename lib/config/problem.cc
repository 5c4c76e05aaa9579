// How a problem is told.
#include "config/problem.h"

#include <algorithm>

namespace hikyaku::config {

std::string to_line(const Problem& problem) {
  const std::string place = problem.place.empty() ? "" : problem.place + ": ";
  return place + (problem.warning ? "warning: " : "") + problem.text;
}

bool has_errors(const Problems& problems) {
  return std::ranges::any_of(problems, [](const Problem& problem) { return !problem.warning; });
}

}  // namespace hikyaku::config
