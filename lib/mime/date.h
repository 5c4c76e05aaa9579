// Dates as headers write them (RFC 5322 section 3.3).
#pragma once

#include <cstdint>
#include <string>

namespace hikyaku::mime {

// "Tue, 8 Mar 2016 16:01:54 +0900". `time`: microseconds since 1970; `utc_offset`: seconds east of Greenwich, cut to
// whole minutes (the format knows no finer) and to 99:59 (RFC 5322's bound), for the clock shown and for the zone
// alike.
std::string format_date(int64_t time, int utc_offset);
// The same, at the end of `out`.
void append_date(std::string& out, int64_t time, int utc_offset);

}  // namespace hikyaku::mime
