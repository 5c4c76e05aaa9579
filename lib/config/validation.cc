// Each value by itself: its kind, its range, its name.
#include "config/validation.h"

#include <algorithm>

#include "config/expansion.h"
#include "config/nearest.h"
#include "config/postfix_keys.h"
#include "config/settings.h"
#include "config/values.h"
#include "util/text.h"

namespace hikyaku::config {
namespace {

using util::split;

constexpr std::string_view kListSeparators = ", \t\r\n";
constexpr std::string_view kTableTypes[] = {"texthash", "lmdb", "hash",   "btree", "cidr",
                                            "regexp",   "pcre", "static", "inline"};

std::optional<std::string> wrong_word(const Parameter& parameter, std::string_view word) {
  const auto values = split(parameter.values, " ");
  if (std::ranges::find(values, word) != values.end()) return std::nullopt;
  std::string all;
  for (const std::string_view value : values) all.append(all.empty() ? "" : ", ").append(value);
  return (values.size() == 1 ? "must be " : "must be one of ") + all + suggestion(word, values);
}

std::optional<std::string> wrong_list(const Parameter& parameter, std::string_view value) {
  if (parameter.values.empty()) return std::nullopt;
  for (const std::string_view word : split(value, kListSeparators)) {
    if (auto why = wrong_word(parameter, word)) return "'" + util::escape_for_log(word) + "' " + *why;
  }
  return std::nullopt;
}

std::optional<std::string> wrong_table(std::string_view value) {
  for (const std::string_view item : split(value, kListSeparators)) {
    if (item.starts_with('/')) continue;
    const size_t colon = item.find(':');
    if (colon == std::string_view::npos) return "a table is written type:/file, such as texthash:/etc/hikyaku/users";
    const std::string_view type = item.substr(0, colon);
    if (std::ranges::find(kTableTypes, type) == std::end(kTableTypes)) {
      return "no table type '" + util::escape_for_log(type) + "'" + suggestion(type, kTableTypes);
    }
    if (colon + 1 == item.size()) return "the file is missing after '" + util::escape_for_log(item) + "'";
  }
  return std::nullopt;
}

std::optional<std::string> out_of_range(const Parameter& parameter, int64_t value, bool extended_limits) {
  const Range range = extended_limits ? parameter.extended : parameter.range;
  if (value >= range.least && value <= range.greatest) return std::nullopt;
  std::string why = "out of range, must be " + range_text(parameter, extended_limits);
  const Range wide = parameter.extended;
  if (!extended_limits && value >= wide.least && value <= wide.greatest) {
    why += " (extended_limits = yes allows " + range_text(parameter, true) + ")";
  }
  return why;
}

std::optional<std::string> wrong_measure(const Parameter& parameter, std::string_view value, bool extended_limits) {
  std::optional<int64_t> amount;
  std::string_view expected;
  switch (parameter.kind) {
    case Kind::kDuration:
      if (const auto duration = parse_duration(value, parameter.unit)) amount = duration->count();
      expected = "not a time (a whole number with ms, s, m, h, d or w)";
      break;
    case Kind::kSize:
      if (const auto size = parse_size(value)) amount = static_cast<int64_t>(*size);
      expected = "not a size (a whole number of bytes, or with k, m or g)";
      break;
    default:
      amount = parse_integer(value);
      expected = "not a whole number";
  }
  if (!amount) return std::string(expected);
  return out_of_range(parameter, *amount, extended_limits);
}

std::vector<std::string_view> known_names() {
  std::vector<std::string_view> names;
  for (const Parameter& parameter : parameters()) names.push_back(parameter.name);
  return names;
}

std::pair<std::string_view, uint64_t> file_and_line(std::string_view place) {
  const size_t colon = place.rfind(':');
  if (colon == std::string_view::npos) return {place, 0};
  return {place.substr(0, colon), util::parse_number(place.substr(colon + 1)).value_or(0)};
}

std::set<std::string, std::less<>> used_names(const Settings& settings, const std::vector<std::string>& other_texts) {
  std::set<std::string, std::less<>> used;
  for (const auto& [name, definition] : settings.definitions()) {
    for (std::string& other : names_in(definition.value)) used.insert(std::move(other));
  }
  for (const std::string& text : other_texts) {
    for (std::string& other : names_in(text)) used.insert(std::move(other));
  }
  return used;
}

// A name that the table does not declare.
std::optional<std::string> wrong_name(std::string_view name, bool used) {
  if (auto advice = advice_for_postfix_key(name)) return advice;
  if (used) return std::nullopt;
  return std::string(name) + " is not a known key" + suggestion(name, known_names());
}

std::string with_suggestion(const std::string& text) {
  // The expander knows no other names; a misspelt $name deserves a hint as well.
  const size_t dollar = text.find('$');
  const size_t end = text.find(" is not set anywhere");
  if (dollar != 0 || end == std::string::npos) return text;
  return text + suggestion(std::string_view(text).substr(1, end - 1), known_names());
}

std::optional<std::string> wrong_definition(const Settings& settings, const Definition& definition, bool used,
                                            bool extended_limits) {
  const Parameter* parameter = find_parameter(definition.name);
  if (parameter == nullptr) {
    if (auto why = wrong_name(definition.name, used)) return why;
  } else if (parameter->read_only) {
    return definition.name + " cannot be set here; it is given on the command line";
  }
  const auto value = settings.expand("$" + definition.name);
  if (!value) return definition.name + ": " + with_suggestion(value.error().text);
  if (parameter == nullptr) return std::nullopt;
  const std::string_view trimmed = util::trim(*value);
  auto why = wrong_value(*parameter, trimmed, extended_limits);
  if (why) return definition.name + " = " + util::escape_for_log(trimmed) + ": " + *why;
  return std::nullopt;
}

}  // namespace

std::optional<std::string> wrong_value(const Parameter& parameter, std::string_view value, bool extended_limits) {
  if (value.empty()) return parameter.may_be_empty ? std::nullopt : std::optional<std::string>("must not be empty");
  switch (parameter.kind) {
    case Kind::kText:
      return std::nullopt;
    case Kind::kList:
      return wrong_list(parameter, value);
    case Kind::kTable:
      return wrong_table(value);
    case Kind::kEnumeration:
      return wrong_word(parameter, value);
    case Kind::kYesNo:
      if (parse_yes_no(value)) return std::nullopt;
      return "must be yes or no";
    case Kind::kEndpoints: {
      const auto endpoints = parse_endpoints(value);
      return endpoints ? std::nullopt : std::optional(endpoints.error().text);
    }
    case Kind::kNumber:
    case Kind::kDuration:
    case Kind::kSize:
      return wrong_measure(parameter, value, extended_limits);
  }
  return std::nullopt;
}

bool earlier_place(std::string_view a, std::string_view b) { return file_and_line(a) < file_and_line(b); }

void sort_by_place(Problems& problems) { std::ranges::stable_sort(problems, earlier_place, &Problem::place); }

Problems Settings::problems(const std::vector<std::string>& other_texts) const {
  Problems found;
  std::set<std::string, std::less<>> faulty;
  const auto used = used_names(*this, other_texts);
  const auto extended = value_of("extended_limits");
  const bool extended_limits = extended && parse_yes_no(*extended).value_or(false);
  for (const auto& [name, definition] : definitions_) {
    auto why = wrong_definition(*this, definition, used.contains(name), extended_limits);
    if (!why) continue;
    faulty.insert(name);
    found.push_back({definition.place, std::move(*why)});
  }
  // A default may refer to a key that was set to something impossible.
  for (const Parameter& parameter : parameters()) {
    if (definitions_.contains(parameter.name)) continue;
    const auto value = value_of(parameter.name);
    if (!value || wrong_value(parameter, *value, extended_limits)) faulty.emplace(parameter.name);
  }
  for (Problem& problem : cross_rule_problems(*this, faulty)) found.push_back(std::move(problem));
  sort_by_place(found);
  return found;
}

std::vector<UnbuiltKey> Settings::unbuilt_set_keys() const {
  std::vector<UnbuiltKey> keys;
  for (const auto& [name, definition] : definitions_) {
    const Parameter* parameter = find_parameter(name);
    if (parameter != nullptr && !parameter->built) keys.push_back({definition.place, name});
  }
  std::ranges::stable_sort(keys, earlier_place, &UnbuiltKey::place);
  return keys;
}

}  // namespace hikyaku::config
