// Dates as headers write them.
#include "mime/date.h"

#include <catch2/catch.hpp>

#include <limits>
#include <string>

using hikyaku::mime::format_date;

namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int kJapan = 9 * 3600;

}  // namespace

TEST_CASE("dates have the form that the Received headers of rows 31 and 32 show") {
  CHECK(format_date(1457420514 * kSecond, kJapan) == "Tue, 8 Mar 2016 16:01:54 +0900");
  CHECK(format_date(1457421036 * kSecond, kJapan) == "Tue, 8 Mar 2016 16:10:36 +0900");
}

TEST_CASE("the date is the one at the given offset") {
  struct Row {
    int64_t seconds;
    int offset;
    std::string text;
  };
  const Row rows[] = {
      {0, 0, "Thu, 1 Jan 1970 00:00:00 +0000"},
      {0, -3600, "Wed, 31 Dec 1969 23:00:00 -0100"},
      {-1, 0, "Wed, 31 Dec 1969 23:59:59 +0000"},
      {951782400, 0, "Tue, 29 Feb 2000 00:00:00 +0000"},
      {1709251199, 0, "Thu, 29 Feb 2024 23:59:59 +0000"},
      {1709251199, 60, "Fri, 1 Mar 2024 00:00:59 +0001"},
      {1700000000, -(3 * 3600 + 1800), "Tue, 14 Nov 2023 18:43:20 -0330"},
      {1700000000, 5 * 3600 + 2700, "Wed, 15 Nov 2023 03:58:20 +0545"},
      {0, 59, "Thu, 1 Jan 1970 00:00:00 +0000"},
      {0, 1000 * 3600, "Mon, 5 Jan 1970 03:59:00 +9959"},
  };
  for (const Row& row : rows) CHECK(format_date(row.seconds * kSecond, row.offset) == row.text);
}

TEST_CASE("parts of a second are cut, before 1970 too") {
  CHECK(format_date(999'999, 0) == "Thu, 1 Jan 1970 00:00:00 +0000");
  CHECK(format_date(-1, 0) == "Wed, 31 Dec 1969 23:59:59 +0000");
}

TEST_CASE("the most senseless clock still gives a year of four digits") {
  for (const int64_t time : {std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()}) {
    for (const int offset : {std::numeric_limits<int>::min(), 0, std::numeric_limits<int>::max()}) {
      const std::string date = format_date(time, offset);
      const size_t year = date.find(' ', date.find(' ', 5) + 1) + 1;
      CHECK(date.find(' ', year) == year + 4);
    }
  }
}
