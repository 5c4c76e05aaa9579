// Lookup, expansion and the typed getters. What is wrong with them is found in validation.cc; their bytes for a child
// process are in snapshot.cc.
#include "config/settings.h"

#include "config/expansion.h"
#include "util/text.h"

namespace hikyaku::config {
namespace {

constexpr std::string_view kNoDomain = "localdomain";

std::string domain_of(std::string_view host) {
  const size_t dot = host.find('.');
  return std::string(dot == std::string_view::npos || dot + 1 == host.size() ? kNoDomain : host.substr(dot + 1));
}

const Parameter& declared(std::string_view name) {
  const Parameter* parameter = find_parameter(name);
  util::ensure(parameter != nullptr, "a setting was asked for that no parameter row declares");
  return *parameter;
}

const Parameter& declared_as(std::string_view name, Kind kind) {
  const Parameter& parameter = declared(name);
  util::ensure(parameter.kind == kind, "a setting was asked for as another kind than its own");
  return parameter;
}

template <class T>
T checked(const T& parsed) {
  util::ensure(parsed.has_value(), "a setting was used although its value is wrong");
  return parsed;
}

}  // namespace

Settings::Settings(std::vector<Definition> definitions, std::string host_name, std::string config_directory)
    : host_name_(std::move(host_name)), config_directory_(std::move(config_directory)) {
  for (Definition& definition : definitions) {
    std::string name = definition.name;
    definitions_.insert_or_assign(std::move(name), std::move(definition));
  }
}

Settings Settings::with_overrides(const std::vector<Definition>& overrides) const {
  Settings copy = *this;
  for (const Definition& definition : overrides) copy.definitions_.insert_or_assign(definition.name, definition);
  return copy;
}

std::optional<std::string> Settings::unexpanded(std::string_view name) const {
  const Parameter* parameter = find_parameter(name);
  const bool settable = parameter == nullptr || !parameter->read_only;
  const auto found = definitions_.find(name);
  if (found != definitions_.end() && settable) return found->second.value;
  if (parameter == nullptr) return std::nullopt;
  return default_of(name);
}

std::string Settings::default_of(std::string_view name) const {
  const Parameter& parameter = declared(name);
  if (!parameter.computed_default) return std::string(parameter.default_text);
  if (name == "config_directory") return config_directory_;
  if (name == "mydomain") return default_domain();
  // myhostname: a host's name without a domain is completed.
  if (host_name_.find('.') != std::string::npos) return host_name_;
  return host_name_ + "." + (is_set("mydomain") ? "$mydomain" : std::string(kNoDomain));
}

std::string Settings::default_domain() const {
  // A myhostname that refers to $mydomain, while that is not set, means the domain of the host's name.
  const Lookup lookup = [this](std::string_view name) {
    return name == "mydomain" ? domain_of(host_name_) : unexpanded(name);
  };
  const auto host = config::expand("$myhostname", lookup);
  return domain_of(host ? *host : host_name_);
}

util::Result<std::string> Settings::expand(std::string_view text) const {
  return config::expand(text, [this](std::string_view name) { return unexpanded(name); });
}

util::Result<std::string> Settings::value_of(std::string_view name) const {
  auto value = expand("$" + std::string(name));
  if (!value) return value;
  return std::string(util::trim(*value));
}

std::string Settings::text(std::string_view name) const {
  declared(name);
  return *checked(value_of(name));
}

std::vector<std::string> Settings::list(std::string_view name) const {
  const std::string value = text(name);
  std::vector<std::string> items;
  for (const std::string_view item : util::split(value, ", \t\r\n")) items.emplace_back(item);
  return items;
}

bool Settings::yes(std::string_view name) const {
  declared_as(name, Kind::kYesNo);
  return *checked(parse_yes_no(text(name)));
}

int64_t Settings::number(std::string_view name) const {
  declared_as(name, Kind::kNumber);
  return *checked(parse_integer(text(name)));
}

Duration Settings::duration(std::string_view name) const {
  const Parameter& parameter = declared_as(name, Kind::kDuration);
  const std::string value = text(name);
  if (value.empty() && parameter.may_be_empty) return Duration(0);
  return *checked(parse_duration(value, parameter.unit));
}

uint64_t Settings::size(std::string_view name) const {
  declared_as(name, Kind::kSize);
  return *checked(parse_size(text(name)));
}

std::vector<Endpoint> Settings::endpoints(std::string_view name) const {
  declared_as(name, Kind::kEndpoints);
  return *checked(parse_endpoints(text(name)));
}

bool Settings::is_set(std::string_view name) const { return definitions_.contains(name); }

std::string Settings::place_of(std::string_view name) const {
  const auto found = definitions_.find(name);
  return found == definitions_.end() ? "" : found->second.place;
}

std::string Settings::written(std::string_view name) const { return unexpanded(name).value_or(""); }

}  // namespace hikyaku::config
