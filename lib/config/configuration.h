// Both files together, read and checked as one: what master applies and `check` reports.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/master_cf.h"
#include "config/problem.h"
#include "config/settings.h"

namespace hikyaku::config {

struct Configuration {
  Settings settings;
  std::vector<Service> services;
  Problems problems;  // of both files, main.cf first; usable when !has_errors(problems)
  std::vector<UnbuiltKey> unbuilt;

  // The settings that one of `services` works with.
  Settings settings_of(const Service& service) const { return settings.with_overrides(service.overrides); }
};

Configuration read_configuration(std::string_view main_cf, std::string_view master_cf, std::string host_name,
                                 std::string config_directory);

// The addresses that an inet service listens on: its name with $names expanded. Empty when the key is empty.
util::Result<std::vector<Endpoint>> listening_addresses(const Service& service, const Settings& settings);

}  // namespace hikyaku::config
