// "Did you mean …?"
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace hikyaku::config {

// The candidate that `word` is most likely a misspelling of; nothing when none is near.
std::optional<std::string_view> nearest(std::string_view word, std::span<const std::string_view> candidates);
// ", did you mean X?" or nothing: the end of an error's text.
std::string suggestion(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace hikyaku::config
