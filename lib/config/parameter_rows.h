// How a row of the parameter table is written: a builder per kind, refined by chained words.
#pragma once

#include <chrono>
#include <span>

#include "config/parameters.h"

namespace hikyaku::config::rows {

inline constexpr int64_t kKilobyte = 1024;
inline constexpr int64_t kGigabyte = 1024 * 1024 * kKilobyte;
inline constexpr int64_t kUnlimited = std::numeric_limits<int32_t>::max();
inline constexpr std::chrono::milliseconds kYear = std::chrono::hours(24 * 365);

class Row : public Parameter {
  // Before its uses: clang-16 finds it in constant expressions only so.
  template <class T>
  constexpr Row with(T Parameter::*member, T value) const {
    Row copy = *this;
    copy.*member = value;
    return copy;
  }

 public:
  // The feature exists: `check` has nothing to say about the key.
  constexpr Row works() const { return with(&Parameter::built, true); }
  constexpr Row after_restart() const { return with(&Parameter::needs_restart, true); }
  constexpr Row or_empty() const { return with(&Parameter::may_be_empty, true); }
  constexpr Row not_settable() const { return with(&Parameter::read_only, true); }
  constexpr Row from_host() const { return with(&Parameter::computed_default, true); }
  constexpr Row of(std::string_view words) const { return with(&Parameter::values, words); }
  constexpr Row extended_to(int64_t least, int64_t greatest) const {
    return with(&Parameter::extended, Range{least, greatest});
  }
};

constexpr Row row(Kind kind, std::string_view name, std::string_view default_text, std::string_view doc) {
  Row made;
  made.name = name;
  made.kind = kind;
  made.default_text = default_text;
  made.doc = doc;
  made.may_be_empty = default_text.empty();
  return made;
}

constexpr Row text(std::string_view name, std::string_view default_text, std::string_view doc) {
  return row(Kind::kText, name, default_text, doc).or_empty();
}

// A text without which nothing works.
constexpr Row needed_text(std::string_view name, std::string_view default_text, std::string_view doc) {
  return row(Kind::kText, name, default_text, doc);
}

constexpr Row list(std::string_view name, std::string_view default_text, std::string_view doc) {
  return row(Kind::kList, name, default_text, doc).or_empty();
}

constexpr Row table(std::string_view name, std::string_view default_text, std::string_view doc) {
  return row(Kind::kTable, name, default_text, doc).or_empty();
}

constexpr Row endpoints(std::string_view name, std::string_view default_text, std::string_view doc) {
  return row(Kind::kEndpoints, name, default_text, doc).or_empty();
}

constexpr Row yes_no(std::string_view name, bool default_value, std::string_view doc) {
  return row(Kind::kYesNo, name, default_value ? "yes" : "no", doc);
}

constexpr Row choice(std::string_view name, std::string_view default_text, std::string_view values,
                     std::string_view doc) {
  Row made = row(Kind::kEnumeration, name, default_text, doc);
  made.values = values;
  return made;
}

constexpr Row ranged(Row made, int64_t least, int64_t greatest) {
  made.range = made.extended = Range{least, greatest};
  return made;
}

constexpr Row number(std::string_view name, std::string_view default_text, int64_t least, int64_t greatest,
                     std::string_view doc) {
  return ranged(row(Kind::kNumber, name, default_text, doc), least, greatest);
}

constexpr Row size(std::string_view name, std::string_view default_text, int64_t least, int64_t greatest,
                   std::string_view doc) {
  return ranged(row(Kind::kSize, name, default_text, doc), least, greatest);
}

constexpr Row duration(std::string_view name, std::string_view default_text, Unit unit, std::chrono::milliseconds least,
                       std::chrono::milliseconds greatest, std::string_view doc) {
  Row made = ranged(row(Kind::kDuration, name, default_text, doc), least.count(), greatest.count());
  made.unit = unit;
  return made;
}

// The table's parts, one function per area.
std::span<const Row> general();
std::span<const Row> receiving();
std::span<const Row> rewriting_and_bounces();
std::span<const Row> delivery();

}  // namespace hikyaku::config::rows
