// Rules over several keys.
#include <algorithm>

#include "config/settings.h"
#include "config/validation.h"
#include "util/text.h"

namespace hikyaku::config {
namespace {

constexpr uint64_t kReceiveMemory = 786432;  // KB of message that all sessions together may hold (row 25)

using Finding = std::optional<std::string>;

struct Rule {
  std::vector<std::string_view> keys;  // what it looks at; the last one set is the place
  Finding (*check)(const Settings&);
  bool warning = false;
};

Finding too_much_memory(const Settings& settings, const std::string& listener) {
  if (settings.yes("extended_limits")) return std::nullopt;
  const std::string size_key = listener + "_message_size_limit", session_key = listener + "_session_limit";
  const uint64_t size = settings.size(size_key);
  const auto sessions = static_cast<uint64_t>(settings.number(session_key));
  if (size * sessions <= kReceiveMemory * 1024) return std::nullopt;
  return size_key + " (" + format_size(size) + ") times " + session_key + " (" + std::to_string(sessions) +
         ") is more than 786432k: with " + std::to_string(sessions) + " sessions at most " +
         std::to_string(kReceiveMemory / sessions) + "k, with this size at most " +
         std::to_string(kReceiveMemory * 1024 / size) + " sessions";
}

Finding relay_memory(const Settings& settings) { return too_much_memory(settings, "relay"); }
Finding inbound_memory(const Settings& settings) { return too_much_memory(settings, "inbound"); }

// Rows 41 and 42. As a is never negative, no interval is shorter than the first one.
Finding retry_rule(const Settings& settings) {
  const bool linear = settings.text("retry_method") == "linear";
  const Duration first = settings.duration("retry_a") + (linear ? Duration(0) : settings.duration("retry_b"));
  const Duration period = settings.duration("retry_period");
  const std::string what = linear ? "retry_a" : "retry_a + retry_b";
  if (first < std::chrono::seconds(1)) {
    return what + " is " + format_duration(first) + ": the first retry must come after at least 1s";
  }
  if (first < period) return std::nullopt;
  return what + " is " + format_duration(first) + ": it must be less than retry_period (" + format_duration(period) +
         "), or nothing is ever retried";
}

Finding copies_and_forwards(const Settings& settings) {
  if (settings.text("bcc_host").empty() || settings.text("forward_filters").empty()) return std::nullopt;
  return "bcc_host and forward_filters cannot be used together";
}

Finding domain_in_both_lists(const Settings& settings) {
  const auto inbound = settings.list("inbound_domains");
  for (const std::string& domain : settings.list("inbound_bounce_domains")) {
    const bool twice = std::ranges::any_of(inbound, [&](const auto& other) { return util::iequals(domain, other); });
    if (twice) return util::escape_for_log(domain) + " is in both inbound_bounce_domains and inbound_domains";
  }
  return std::nullopt;
}

Finding policy_without_auth(const Settings& settings) {
  if (settings.text("relay_access_policy") != "network_and_auth" || settings.yes("smtpd_sasl_auth_enable")) {
    return std::nullopt;
  }
  return "relay_access_policy = network_and_auth needs smtpd_sasl_auth_enable = yes: nobody could relay";
}

Finding nobody_may_relay(const Settings& settings) {
  if (!settings.list("mynetworks").empty() || settings.yes("smtpd_sasl_auth_enable")) return std::nullopt;
  return "mynetworks is empty and AUTH is off: nothing will be relayed";
}

Finding root_owner(const Settings& settings) {
  const std::string owner = settings.text("mail_owner");
  if (owner != "root" && util::parse_number(owner) != 0) return std::nullopt;
  return "mail_owner must be an unprivileged user, not root";
}

Finding auth_in_clear(const Settings& settings) {
  if (!settings.yes("smtpd_sasl_auth_enable") || settings.yes("smtpd_tls_auth_only")) return std::nullopt;
  return "smtpd_tls_auth_only = no: passwords may cross the network unencrypted";
}

Finding obsolete_use_tls(const Settings& settings) {
  if (!settings.is_set("smtp_use_tls")) return std::nullopt;
  return "smtp_use_tls is obsolete; set smtp_tls_security_level, which wins over it";
}

Finding client_auth_in_clear(const Settings& settings) {
  const std::string level = settings.text("smtp_tls_security_level");
  if (!settings.yes("smtp_sasl_auth_enable") || (!level.empty() && level != "none" && level != "may")) {
    return std::nullopt;
  }
  return "smtp_sasl_auth_enable = yes with smtp_tls_security_level below encrypt: a password may be sent in the clear";
}

const std::vector<Rule>& rules() {
  static const std::vector<Rule> kRules = {
      {{"relay_message_size_limit", "relay_session_limit", "extended_limits"}, relay_memory},
      {{"inbound_message_size_limit", "inbound_session_limit", "extended_limits"}, inbound_memory},
      {{"retry_a", "retry_b", "retry_method", "retry_period"}, retry_rule},
      {{"bcc_host", "forward_filters"}, copies_and_forwards},
      {{"inbound_bounce_domains", "inbound_domains"}, domain_in_both_lists},
      {{"relay_access_policy", "smtpd_sasl_auth_enable"}, policy_without_auth},
      {{"mynetworks", "smtpd_sasl_auth_enable"}, nobody_may_relay, true},
      {{"mail_owner"}, root_owner},
      {{"smtpd_tls_auth_only", "smtpd_sasl_auth_enable"}, auth_in_clear, true},
      {{"smtp_use_tls"}, obsolete_use_tls, true},
      {{"smtp_tls_security_level", "smtp_sasl_auth_enable"}, client_auth_in_clear, true},
  };
  return kRules;
}

// The line that completed the conflict: the last of those that set one of the keys.
std::string place_of_rule(const Settings& settings, const Rule& rule) {
  std::string last;
  for (const std::string_view key : rule.keys) last = std::max(last, settings.place_of(key), earlier_place);
  return last;
}

}  // namespace

Problems cross_rule_problems(const Settings& settings, const std::set<std::string, std::less<>>& faulty) {
  Problems found;
  for (const Rule& rule : rules()) {
    if (std::ranges::any_of(rule.keys, [&](std::string_view key) { return faulty.contains(key); })) continue;
    if (auto text = rule.check(settings))
      found.push_back({place_of_rule(settings, rule), std::move(*text), rule.warning});
  }
  return found;
}

}  // namespace hikyaku::config
