// config: the settings as they are, their defaults and what they mean.
#pragma once

#include <string>
#include <vector>

#include "config/settings.h"

namespace hikyaku::ctl {

struct ConfigOptions {
  std::vector<std::string> keys = {};  // none: all
  bool only_set = false;               // -n
  bool defaults = false;               // -d
  bool values_only = false;            // -h
  bool expanded = false;               // -x
  bool json = false;
};

// The keys asked for, in the order asked for; all of them by name. Throws Failure (65) for an unknown one.
std::string config_text(const config::Settings& settings, const ConfigOptions& options);
// What the keys mean. Throws Failure (65).
std::string doc_text(const config::Settings& settings, const std::vector<std::string>& keys);

int show_config(const std::string& config_directory, const ConfigOptions& options);
int show_doc(const std::string& config_directory, const std::vector<std::string>& keys);

}  // namespace hikyaku::ctl
