// What qmgr is told by main.cf.
#include "qmgr/config.h"

#include <algorithm>

#include "util/error.h"

namespace hikyaku::qmgr {

Config read_config(const config::Settings& settings) {
  const auto seconds = [&](const char* key) {
    return std::chrono::duration_cast<std::chrono::seconds>(settings.duration(key));
  };
  Config config;
  config.retry = {
      .period = seconds("retry_period"),
      .method = settings.text("retry_method") == "linear" ? RetryMethod::kLinear : RetryMethod::kExponential,
      .a = seconds("retry_a"),
      .b = seconds("retry_b"),
      .jitter_percent = static_cast<int>(settings.number("retry_jitter"))};
  auto relayhost = smtp::parse_relayhost(settings.text("relayhost"));
  if (!relayhost) throw util::StartupError(settings.place_of("relayhost") + ": " + relayhost.error().text);
  config.relayhost = std::move(*relayhost);
  const auto positive = [&](const char* key) {
    return static_cast<unsigned>(std::max<int64_t>(1, settings.number(key)));
  };
  config.window.most = positive("smtp_destination_concurrency_limit");
  config.window.initial = std::min(positive("initial_destination_concurrency"), config.window.most);
  config.recipients_each = positive("smtp_destination_recipient_limit");
  return config;
}

}  // namespace hikyaku::qmgr
