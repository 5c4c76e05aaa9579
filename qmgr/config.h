// What qmgr is told by main.cf.
#pragma once

#include <optional>

#include "config/settings.h"
#include "qmgr/retry.h"
#include "qmgr/scheduler.h"
#include "smtp/route.h"

namespace hikyaku::qmgr {

struct Config {
  RetryRule retry;
  std::optional<NextHop> relayhost;
  WindowRule window;
  // Messages that wait in a destination's lanes, in memory. More of them rest in the index until there is room.
  size_t most_first_attempts = 20000;
  size_t most_retries = 5000;
  size_t recipients_each = 50;  // smtp_destination_recipient_limit: of one transaction
};

// Throws util::StartupError, with the place, for a relayhost that is none.
Config read_config(const config::Settings& settings);

}  // namespace hikyaku::qmgr
