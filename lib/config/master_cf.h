// Reader of master.cf: which services run, in Postfix's eight columns.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/main_cf.h"
#include "config/problem.h"

namespace hikyaku::config {

enum class ServiceType { kInet, kUnix };

struct Service {
  std::string place;  // "master.cf:12"
  std::string name;   // as written: "$relay_listen", "127.0.0.1:25", "cleanup"; expanded by the caller
  ServiceType type = ServiceType::kUnix;
  bool is_private = true;
  bool unprivileged = true;
  bool chroot = false;                    // refused until built: the parser reports `y` as an error
  std::optional<unsigned> process_limit;  // nothing for `-`: our default for the program
  std::string program;                    // "smtpd", "smtp-client", …
  std::vector<std::string> arguments;     // after the program, without the -o options
  std::vector<Definition> overrides;      // -o name=value, each with the service's place

  // What logs, sockets and `status` call it: "$relay_listen" -> "relay", "127.0.0.1:25" and "cleanup" as they are.
  std::string short_name() const;

  bool operator==(const Service&) const = default;
};

struct MasterCf {
  std::vector<Service> services;
  Problems problems;  // every wrong line has one; a wake-up time is a warning
};

MasterCf parse_master_cf(std::string_view text, std::string_view file = "master.cf");

}  // namespace hikyaku::config
