// Dates as headers write them.
#include "mime/date.h"

#include <algorithm>
#include <chrono>
#include <string_view>

namespace hikyaku::mime {
namespace {

constexpr std::string_view kDays = "SunMonTueWedThuFriSat";
constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
constexpr int kLargestOffset = (99 * 60 + 59) * 60;
// Years of four digits with room for any offset: a clock that is set to nonsense still gives a valid date.
constexpr std::chrono::seconds kEarliest{-62'135'000'000};
constexpr std::chrono::seconds kLatest{253'401'000'000};

std::string_view name_of(std::string_view names, unsigned index) { return names.substr(index * 3, 3); }

void append_two_digits(std::string& out, long number) {
  out += static_cast<char>('0' + number / 10);
  out += static_cast<char>('0' + number % 10);
}

}  // namespace

void append_date(std::string& out, int64_t time, int utc_offset) {
  using namespace std::chrono;
  const minutes offset{std::clamp(utc_offset, -kLargestOffset, kLargestOffset) / 60};
  const auto local = sys_seconds{std::clamp(floor<seconds>(microseconds{time}), kEarliest, kLatest)} + offset;
  const auto day = floor<days>(local);
  const year_month_day date{day};
  const hh_mm_ss clock{local - day};

  out.append(name_of(kDays, weekday{day}.c_encoding())).append(", ");
  out.append(std::to_string(static_cast<unsigned>(date.day()))).append(" ");
  out.append(name_of(kMonths, static_cast<unsigned>(date.month()) - 1)).append(" ");
  const std::string year = std::to_string(static_cast<int>(date.year()));
  if (year.size() < 4) out.append(4 - year.size(), '0');
  out.append(year).append(" ");
  append_two_digits(out, clock.hours().count());
  out += ':';
  append_two_digits(out, clock.minutes().count());
  out += ':';
  append_two_digits(out, clock.seconds().count());
  out.append(offset < minutes{0} ? " -" : " +");
  append_two_digits(out, abs(offset).count() / 60);
  append_two_digits(out, abs(offset).count() % 60);
}

std::string format_date(int64_t time, int utc_offset) {
  std::string out;
  append_date(out, time, utc_offset);
  return out;
}

}  // namespace hikyaku::mime
