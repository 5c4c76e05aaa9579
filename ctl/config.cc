// config.
#include "ctl/config.h"

#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "config/nearest.h"
#include "config/parameters.h"
#include "config/values.h"
#include "ctl/ask.h"
#include "ctl/installation.h"
#include "util/error.h"
#include "util/text.h"

namespace hikyaku::ctl {

namespace {

void require_known(const config::Settings& settings, const std::string& key) {
  if (config::find_parameter(key) != nullptr || settings.is_set(key)) return;
  std::vector<std::string_view> names;
  for (const auto& parameter : config::parameters()) names.push_back(parameter.name);
  throw Failure{util::kExitData,
                fmt::format("unknown parameter \"{}\"{}", util::escape_for_log(key), config::suggestion(key, names))};
}

std::vector<std::string> keys_to_show(const config::Settings& settings, const ConfigOptions& options) {
  std::set<std::string> names;
  if (options.keys.empty()) {
    if (!options.only_set)
      for (const auto& parameter : config::parameters()) names.emplace(parameter.name);
    if (!options.defaults)
      for (const auto& [name, definition] : settings.definitions()) names.insert(name);
    return {names.begin(), names.end()};
  }
  std::vector<std::string> keys;
  for (const std::string& key : options.keys) {
    require_known(settings, key);
    if (!options.only_set || settings.is_set(key)) keys.push_back(key);
  }
  return keys;
}

std::string value_to_show(const config::Settings& settings, const ConfigOptions& options, const std::string& key) {
  std::string value = options.defaults ? settings.default_of(key) : settings.written(key);
  if (!options.expanded) return value;
  auto expanded = settings.expand(value);
  if (!expanded) throw Failure{util::kExitConfig, key + ": " + expanded.error().text};
  return std::move(*expanded);
}

// Rows 4 and 18: the interval between two messages of a session bounds what an address takes in an hour.
std::string capacity_text(const config::Settings& settings, const std::string& key) {
  const size_t underscore = key.find("_receive_interval");
  if (underscore == std::string::npos || has_errors(settings.problems())) return {};
  const int64_t sessions = settings.number(key.substr(0, underscore) + "_session_limit");
  const int64_t interval = settings.duration(key).count();
  if (interval == 0) return "  now: 0, no limit by time\n";
  return fmt::format("  now: {} ms, {} sessions: at most {} messages per hour and listening address\n", interval,
                     sessions, 3600000 * sessions / interval);
}

}  // namespace

std::string config_text(const config::Settings& settings, const ConfigOptions& options) {
  std::string text;
  for (const std::string& key : keys_to_show(settings, options)) {
    const std::string value = value_to_show(settings, options, key);
    if (options.json) {
      nlohmann::ordered_json line{{"name", key}, {"value", value}, {"place", settings.place_of(key)}};
      text += line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    } else {
      text += options.values_only ? value + "\n" : fmt::format("{} = {}\n", key, value);
    }
  }
  return text;
}

std::string doc_text(const config::Settings& settings, const std::vector<std::string>& keys) {
  std::string text;
  for (const std::string& key : keys) {
    const config::Parameter* parameter = config::find_parameter(key);
    if (parameter == nullptr) require_known(settings, key);
    text += key + "\n";
    if (parameter == nullptr) {
      text += fmt::format("  Your own, set at {}.\n", settings.place_of(key));
      continue;
    }
    text += fmt::format("  {}\n  default: {}\n", parameter->doc, parameter->default_text);
    const bool ranged = parameter->kind == config::Kind::kNumber || parameter->kind == config::Kind::kDuration ||
                        parameter->kind == config::Kind::kSize;
    if (ranged) text += fmt::format("  range: {}\n", config::range_text(*parameter, false));
    if (ranged && parameter->extended != parameter->range)
      text += fmt::format("  with extended_limits = yes: {}\n", config::range_text(*parameter, true));
    if (!parameter->values.empty()) text += fmt::format("  values: {}\n", parameter->values);
    text += capacity_text(settings, key);
    if (parameter->needs_restart) text += "  Applied by stop and start, not by reload.\n";
    if (!parameter->built) text += "  Not built yet: accepted, but nothing uses it.\n";
  }
  return text;
}

int show_config(const std::string& config_directory, const ConfigOptions& options) {
  std::fputs(config_text(read_configuration(config_directory).settings, options).c_str(), stdout);
  return 0;
}

int show_doc(const std::string& config_directory, const std::vector<std::string>& keys) {
  std::fputs(doc_text(read_configuration(config_directory).settings, keys).c_str(), stdout);
  return 0;
}

}  // namespace hikyaku::ctl
