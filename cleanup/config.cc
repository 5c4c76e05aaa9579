// What cleanup is told by main.cf.
#include "cleanup/config.h"

#include <algorithm>

namespace hikyaku::cleanup {

namespace {

ReceivedHeader form_of(const std::string& value) {
  if (value == "normal") return ReceivedHeader::kNormal;
  if (value == "none") return ReceivedHeader::kNone;
  if (value == "strip") return ReceivedHeader::kStrip;
  return ReceivedHeader::kAbbreviated;
}

// Opaque to strangers and the same after every start: derived from the host's name, not from a secret, because all that
// it must do is tell one instance from another (C5).
std::string loop_token_of(const std::string& name) {
  uint64_t hash = 14695981039346656037u;  // FNV-1a
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  std::string token;
  for (int i = 0; i < 12; ++i, hash /= 32) token += "0123456789abcdefghijklmnopqrstuv"[hash % 32];
  return token;
}

}  // namespace

Config read_config(const config::Settings& settings) {
  Config config;
  config.our_name = settings.text("myhostname");
  config.headers.received_header = form_of(settings.text("received_header"));
  config.headers.hopcount_limit = static_cast<size_t>(settings.number("hopcount_limit"));
  config.headers.header_size_limit = static_cast<size_t>(settings.size("header_size_limit"));
  config.headers.loop_token = loop_token_of(config.our_name);
  config.most_bytes = std::max(settings.size("relay_message_size_limit"), settings.size("inbound_message_size_limit"));
  return config;
}

}  // namespace hikyaku::cleanup
