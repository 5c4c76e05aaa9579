// The one table of main.cf's keys: validation, `config`, the manual page and the tests are made from it.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace hikyaku::config {

enum class Kind : uint8_t {
  kText,
  kList,         // separated by commas or white space
  kYesNo,        // yes, no
  kNumber,       // may be negative where the range says so
  kDuration,     // ms s m h d w; a bare number has the parameter's unit
  kSize,         // bytes, k m g (powers of 1024)
  kEndpoints,    // list of host:port, :port, [::1]:port
  kEnumeration,  // one of `values`
  kTable,        // list of type:file or /file
};

enum class Unit : uint8_t { kMilliseconds, kSeconds, kMinutes, kHours, kDays, kWeeks };

// Inclusive. Numbers as they are, durations in milliseconds, sizes in bytes.
struct Range {
  int64_t least = 0;
  int64_t greatest = std::numeric_limits<int64_t>::max();

  bool operator==(const Range&) const = default;
};

struct Parameter {
  std::string_view name;
  Kind kind = Kind::kText;
  std::string_view default_text;  // as a user would write it; may hold $name
  std::string_view doc;           // a sentence or two, without the name
  std::string_view values{};      // kEnumeration, and lists of fixed words: separated by blanks
  Unit unit = Unit::kSeconds;     // kDuration only: of a bare number
  Range range{};
  Range extended{};               // with extended_limits = yes
  bool may_be_empty = false;      // for kinds whose value is otherwise never empty
  bool built = false;             // false: accepted and validated, but nothing uses it yet
  bool needs_restart = false;     // a reload does not apply it
  bool read_only = false;         // known as $name, but not set in main.cf
  bool computed_default = false;  // default_text only describes the default: it comes from the host
};

// All of them, sorted by name.
const std::vector<Parameter>& parameters();
// Null when the name is not declared.
const Parameter* find_parameter(std::string_view name);
// "10ms to 10000ms", "1 or more": the range in the units that a user writes.
std::string range_text(const Parameter& parameter, bool extended_limits);

}  // namespace hikyaku::config
