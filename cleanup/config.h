// What cleanup is told by main.cf.
#pragma once

#include <string>

#include "cleanup/header_policy.h"
#include "config/settings.h"

namespace hikyaku::cleanup {

struct Config {
  HeaderPolicy headers;
  std::string our_name;
  uint64_t most_bytes = 0;  // of one message as smtpd may send it
};

Config read_config(const config::Settings& settings);

}  // namespace hikyaku::cleanup
