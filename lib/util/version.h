// The version that commands and logs name.
#pragma once

#include <string_view>

namespace hikyaku::util {

inline constexpr std::string_view kVersion = "0.1.0";

}  // namespace hikyaku::util
