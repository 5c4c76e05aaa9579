// main.cf and master.cf read as one.
#include "config/configuration.h"

#include <algorithm>
#include <map>

#include "config/validation.h"
#include "util/text.h"

namespace hikyaku::config {
namespace {

void add_new(Problems& all, Problems more) {
  for (Problem& problem : more) {
    if (std::ranges::find(all, problem) == all.end()) all.push_back(std::move(problem));
  }
}

std::vector<std::string> texts_of(const std::vector<Service>& services) {
  std::vector<std::string> texts;
  for (const Service& service : services) {
    texts.push_back(service.name);
    texts.insert(texts.end(), service.arguments.begin(), service.arguments.end());
    for (const Definition& definition : service.overrides) texts.push_back(definition.value);
  }
  return texts;
}

// Addresses that cannot be read, or that two services claim.
Problems address_problems(const std::vector<Service>& services, const Settings& settings) {
  Problems found;
  std::map<std::string, std::string> owner;  // address -> service
  for (const Service& service : services) {
    if (service.type != ServiceType::kInet) continue;
    const auto addresses = listening_addresses(service, settings);
    if (!addresses) {
      found.push_back({service.place, "service " + util::escape_for_log(service.name) + ": " + addresses.error().text});
      continue;
    }
    for (const Endpoint& endpoint : *addresses) {
      const auto [other, is_new] = owner.try_emplace(format_endpoint(endpoint), service.short_name());
      if (is_new) continue;
      found.push_back({service.place, "service " + util::escape_for_log(service.short_name()) + ": service " +
                                          util::escape_for_log(other->second) + " already listens on " +
                                          util::escape_for_log(other->first)});
    }
  }
  return found;
}

}  // namespace

util::Result<std::vector<Endpoint>> listening_addresses(const Service& service, const Settings& settings) {
  const auto text = settings.with_overrides(service.overrides).expand(service.name);
  if (!text) return std::unexpected(text.error());
  return parse_endpoints(*text);
}

Configuration read_configuration(std::string_view main_cf, std::string_view master_cf, std::string host_name,
                                 std::string config_directory) {
  MainCf main = parse_main_cf(main_cf);
  MasterCf master = parse_master_cf(master_cf);
  Configuration result{Settings(std::move(main.definitions), std::move(host_name), std::move(config_directory)),
                       std::move(master.services),
                       std::move(main.problems),
                       {}};
  const auto texts = texts_of(result.services);
  add_new(result.problems, result.settings.problems(texts));
  add_new(result.problems, std::move(master.problems));
  result.unbuilt = result.settings.unbuilt_set_keys();
  for (const Service& service : result.services) {
    const Settings own = result.settings_of(service);
    add_new(result.problems, own.problems(texts));
    for (UnbuiltKey& key : own.unbuilt_set_keys()) {
      if (std::ranges::find(result.unbuilt, key) == result.unbuilt.end()) result.unbuilt.push_back(std::move(key));
    }
  }
  // A wrong address in main.cf has been named there; repeating it per service would hide the rest.
  if (!has_errors(result.problems)) add_new(result.problems, address_problems(result.services, result.settings));
  if (result.services.empty() && !has_errors(result.problems)) {
    result.problems.push_back({"master.cf:1", "no service is defined"});
  }
  sort_by_place(result.problems);
  std::ranges::stable_sort(result.unbuilt, earlier_place, &UnbuiltKey::place);
  return result;
}

}  // namespace hikyaku::config
