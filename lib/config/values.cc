// Single values as main.cf writes them.
#include "config/values.h"

#include <charconv>

#include "util/text.h"

namespace hikyaku::config {
namespace {

struct UnitName {
  std::string_view suffix;
  int64_t milliseconds;
};

// In the order of Unit.
constexpr UnitName kUnits[] = {{"ms", 1},        {"s", 1000},       {"m", 60'000},
                               {"h", 3'600'000}, {"d", 86'400'000}, {"w", 604'800'000}};

// A word of digits and what follows it; nothing without a digit.
struct Measured {
  int64_t number;
  std::string_view suffix;
};

std::optional<Measured> measure(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  return Measured{number, text.substr(static_cast<size_t>(end - text.data()))};
}

std::optional<int64_t> times(int64_t number, int64_t factor) {
  int64_t product = 0;
  if (__builtin_mul_overflow(number, factor, &product)) return std::nullopt;
  return product;
}

std::unexpected<util::Error> bad_endpoint(std::string_view text, std::string_view why) {
  return util::permanent("'" + util::escape_for_log(text) + "': " + std::string(why));
}

}  // namespace

std::optional<int64_t> parse_integer(std::string_view text) {
  const auto measured = measure(text);
  if (!measured || !measured->suffix.empty()) return std::nullopt;
  return measured->number;
}

std::optional<Duration> parse_duration(std::string_view text, Unit unit) {
  const auto measured = measure(text);
  if (!measured) return std::nullopt;
  std::optional<int64_t> factor;
  if (measured->suffix.empty()) factor = kUnits[static_cast<size_t>(unit)].milliseconds;
  for (const UnitName& name : kUnits) {
    if (measured->suffix == name.suffix) factor = name.milliseconds;
  }
  if (!factor) return std::nullopt;
  const auto product = times(measured->number, *factor);
  if (!product) return std::nullopt;
  return Duration(*product);
}

std::optional<uint64_t> parse_size(std::string_view text) {
  const auto measured = measure(text);
  if (!measured || measured->number < 0 || measured->suffix.size() > 1) return std::nullopt;
  int64_t factor = 1;
  if (!measured->suffix.empty()) {
    const size_t power = std::string_view("kmg").find(util::lower(measured->suffix[0]));
    if (power == std::string_view::npos) return std::nullopt;
    factor = int64_t{1024} << (10 * power);
  }
  const auto product = times(measured->number, factor);
  if (!product) return std::nullopt;
  return static_cast<uint64_t>(*product);
}

std::optional<bool> parse_yes_no(std::string_view text) {
  if (util::iequals(text, "yes")) return true;
  if (util::iequals(text, "no")) return false;
  return std::nullopt;
}

util::Result<Endpoint> parse_endpoint(std::string_view text) {
  const size_t colon = text.rfind(':');
  const size_t bracket = text.rfind(']');
  if (colon == std::string_view::npos || (bracket != std::string_view::npos && bracket > colon)) {
    return bad_endpoint(text, "the port is missing (host:port)");
  }
  std::string_view host = text.substr(0, colon);
  const auto port = util::parse_number(text.substr(colon + 1));
  if (!port || *port == 0 || *port > 65535) return bad_endpoint(text, "the port is not a number from 1 to 65535");
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    if (host.empty()) return bad_endpoint(text, "there is no address between the brackets");
  } else if (host.find(':') != std::string_view::npos) {
    return bad_endpoint(text, "an IPv6 address is written in brackets ([::1]:25)");
  }
  if (host.find_first_of("[]/ \t") != std::string_view::npos || util::escape_for_log(host) != host)
    return bad_endpoint(text, "not of the form host:port");
  return Endpoint{std::string(host), static_cast<uint16_t>(*port)};
}

util::Result<std::vector<Endpoint>> parse_endpoints(std::string_view text) {
  std::vector<Endpoint> endpoints;
  for (const std::string_view piece : util::split(text, ", \t\r\n")) {
    auto endpoint = parse_endpoint(piece);
    if (!endpoint) return std::unexpected(endpoint.error());
    endpoints.push_back(std::move(*endpoint));
  }
  return endpoints;
}

std::string format_duration(Duration duration) {
  const int64_t count = duration.count();
  if (count == 0) return "0s";
  // Weeks are left out: nobody reads 52w faster than 364d.
  for (const Unit unit : {Unit::kDays, Unit::kHours, Unit::kMinutes, Unit::kSeconds}) {
    const auto& [suffix, factor] = kUnits[static_cast<size_t>(unit)];
    if (count % factor == 0) return std::to_string(count / factor) + std::string(suffix);
  }
  return std::to_string(count) + "ms";
}

std::string format_size(uint64_t bytes) {
  constexpr uint64_t kKilobyte = 1024;
  if (bytes == 0 || bytes % kKilobyte != 0) return std::to_string(bytes);
  return std::to_string(bytes / kKilobyte) + "k";
}

std::string format_endpoint(const Endpoint& endpoint) {
  const bool six = endpoint.host.find(':') != std::string::npos;
  return (six ? "[" + endpoint.host + "]" : endpoint.host) + ":" + std::to_string(endpoint.port);
}

}  // namespace hikyaku::config
