// What time it is. Wall time goes on disk and in headers, monotonic time in timers; nothing pure asks either.
#pragma once

#include <chrono>
#include <cstdint>

namespace hikyaku::os {

using WallTime = std::chrono::sys_time<std::chrono::microseconds>;
using Monotonic = std::chrono::steady_clock::time_point;

inline WallTime wall_now() {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}
// Seconds east of Greenwich that the local zone is off at a time in microseconds since 1970. Cheap for times of one
// second.
int utc_offset(int64_t microseconds);
inline Monotonic monotonic_now() { return std::chrono::steady_clock::now(); }

}  // namespace hikyaku::os
