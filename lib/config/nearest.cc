// The nearest known word.
#include "config/nearest.h"

#include <algorithm>

#include "util/text.h"

namespace hikyaku::config {

std::optional<std::string_view> nearest(std::string_view word, std::span<const std::string_view> candidates) {
  // A fifth of the letters may be wrong, and at least one, so that a suggestion is seldom silly.
  const size_t most = std::max<size_t>(1, word.size() / 5);
  std::optional<std::string_view> best;
  size_t least = most + 1;
  for (const std::string_view candidate : candidates) {
    const size_t distance = util::edit_distance(util::to_lower(word), util::to_lower(candidate));
    if (distance >= least) continue;
    least = distance;
    best = candidate;
  }
  return best;
}

std::string suggestion(std::string_view word, std::span<const std::string_view> candidates) {
  const auto best = nearest(word, candidates);
  return best ? ", did you mean " + std::string(*best) + "?" : "";
}

}  // namespace hikyaku::config
