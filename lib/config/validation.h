// What is wrong with one value, and what two values do to each other. Pure questions to Settings.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "config/parameters.h"
#include "config/problem.h"

namespace hikyaku::config {

class Settings;

// Why `value` (expanded and trimmed) cannot be the parameter's; nothing when it can.
std::optional<std::string> wrong_value(const Parameter& parameter, std::string_view value, bool extended_limits);

// Rules over several keys. A rule that needs one of the `faulty` keys is left out.
Problems cross_rule_problems(const Settings& settings, const std::set<std::string, std::less<>>& faulty);

// By file and line.
void sort_by_place(Problems& problems);
bool earlier_place(std::string_view a, std::string_view b);

}  // namespace hikyaku::config
