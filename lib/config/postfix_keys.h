// Keys that an administrator knows from Postfix and that are called otherwise here, or are not needed.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace hikyaku::config {

// The error's text for such a key, naming ours where there is one; nothing for any other name.
std::optional<std::string> advice_for_postfix_key(std::string_view name);

}  // namespace hikyaku::config
