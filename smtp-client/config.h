// What smtp-client is told by main.cf.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "config/settings.h"
#include "event/loop.h"
#include "smtp-client/wire_form.h"
#include "smtp/client_session.h"

namespace hikyaku::smtp_client {

struct Timeouts {
  event::Duration connect, helo, mail, rcpt, data_init, data_xfer, data_done, rset, quit;
};

struct Config {
  std::string helo_name;
  int address_family = 0;                // AF_UNSPEC, or the only one allowed (inet_protocols)
  size_t connections_per_destination{};  // open at once to one next hop
  size_t idle_connections{};             // kept for reuse, over all (row 46)
  event::Duration idle_time{};           // how long (row 47)
  Timeouts timeouts{};
  WireRules wire;

  // Jobs that may be in hand. More than connections, so that a busy one finds its next message here, and enough that
  // one dead next hop does not take them all: qmgr limits each destination by its own window.
  uint32_t slots() const;
  // How long the server may take for what it is doing.
  event::Duration patience(smtp::Stage stage) const;
};

Config read_config(const config::Settings& settings);

}  // namespace hikyaku::smtp_client
