// Single values as main.cf writes them: durations, sizes, yes/no, addresses with ports.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/parameters.h"
#include "util/error.h"

namespace hikyaku::config {

using Duration = std::chrono::milliseconds;

// host is empty for ":port" (every address of the machine) and has no brackets for "[::1]:25".
struct Endpoint {
  std::string host;
  uint16_t port = 0;

  bool operator==(const Endpoint&) const = default;
};

// "-240", "15", no blanks, no plus sign.
std::optional<int64_t> parse_integer(std::string_view text);
// "360ms", "-240s", "2h"; a bare number is in `unit`. Nothing when malformed or beyond 292 million years.
std::optional<Duration> parse_duration(std::string_view text, Unit unit);
// "20480k", "64m", "1g", "512" (bytes).
std::optional<uint64_t> parse_size(std::string_view text);
std::optional<bool> parse_yes_no(std::string_view text);
// ":10025", "127.0.0.1:25", "[::1]:25", "mail.example.com:25"; the error says what is wrong, without a place.
util::Result<Endpoint> parse_endpoint(std::string_view text);
// Separated by commas or white space.
util::Result<std::vector<Endpoint>> parse_endpoints(std::string_view text);

// The shortest exact spelling that parses back: "360ms", "90s", "1d".
std::string format_duration(Duration duration);
// "20480k", "512".
std::string format_size(uint64_t bytes);
// "[::1]:25", ":10025".
std::string format_endpoint(const Endpoint& endpoint);

}  // namespace hikyaku::config
