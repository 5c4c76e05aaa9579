// $names in values: Postfix's forms, without its comparison expressions.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "util/error.h"

namespace hikyaku::config {

// A name's text before expansion; nothing when nobody defined it.
using Lookup = std::function<std::optional<std::string>(std::string_view name)>;

// Expands $name, $(name), ${name}, ${name?text}, ${name:text}, ${name?{a}:{b}} and $$ (a dollar sign). An undefined
// name is an error, except as a condition, where it counts as empty. So are a name that leads back to itself, and
// a result out of all proportion.
util::Result<std::string> expand(std::string_view text, const Lookup& lookup);

// The names that `text` refers to, each as often as it does.
std::vector<std::string> names_in(std::string_view text);

}  // namespace hikyaku::config
