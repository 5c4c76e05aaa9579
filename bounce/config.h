// What bounce is told by main.cf.
#pragma once

#include <cstddef>
#include <string>

#include "bounce/report.h"
#include "config/settings.h"

namespace hikyaku::bounce {

struct Config {
  std::string our_name;
  ReportFormat format = ReportFormat::kMultipart;  // rows 52, 53
  size_t size_limit = 0;                           // of the returned message, bytes
};

inline Config read_config(const config::Settings& settings) {
  return {settings.text("myhostname"),
          settings.text("bounce_format") == "simple" ? ReportFormat::kSimple : ReportFormat::kMultipart,
          settings.size("bounce_size_limit")};
}

}  // namespace hikyaku::bounce
