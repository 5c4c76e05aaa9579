// The parameter table put together from its areas.
#include "config/parameters.h"

#include <algorithm>

#include "config/parameter_rows.h"
#include "config/values.h"

namespace hikyaku::config {
namespace {

std::string in_units(const Parameter& parameter, int64_t value) {
  if (parameter.kind == Kind::kDuration) return format_duration(Duration(value));
  if (parameter.kind == Kind::kSize) return format_size(static_cast<uint64_t>(value));
  return std::to_string(value);
}

}  // namespace

const std::vector<Parameter>& parameters() {
  static const std::vector<Parameter> sorted = [] {
    std::vector<Parameter> all;
    for (const auto area : {rows::general(), rows::receiving(), rows::rewriting_and_bounces(), rows::delivery()}) {
      all.insert(all.end(), area.begin(), area.end());
    }
    std::ranges::sort(all, {}, &Parameter::name);
    return all;
  }();
  return sorted;
}

const Parameter* find_parameter(std::string_view name) {
  const auto found = std::ranges::lower_bound(parameters(), name, {}, &Parameter::name);
  return found != parameters().end() && found->name == name ? &*found : nullptr;
}

std::string range_text(const Parameter& parameter, bool extended_limits) {
  const Range range = extended_limits ? parameter.extended : parameter.range;
  const std::string least = in_units(parameter, range.least);
  if (range.greatest >= rows::kUnlimited && parameter.kind != Kind::kDuration &&
      !(extended_limits && parameter.extended != parameter.range)) {
    return least + " or more";
  }
  return least + " to " + in_units(parameter, range.greatest);
}

}  // namespace hikyaku::config
