// What time it is.
#include "os/clock.h"

#include <ctime>

namespace hikyaku::os {

int utc_offset(int64_t microseconds) {
  thread_local std::time_t known = -1;
  thread_local int offset = 0;
  const std::time_t second = microseconds / 1'000'000;
  if (second == known) return offset;  // summer time begins and ends with a second
  std::tm local{};
  ::localtime_r(&second, &local);
  known = second;
  offset = static_cast<int>(local.tm_gmtoff);
  return offset;
}

}  // namespace hikyaku::os
