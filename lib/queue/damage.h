// A part of the log that could not be read.
#pragma once

#include <cstdint>
#include <string>

namespace hikyaku::queue {

// The bytes from `offset` on are no whole record, although they were durable once.
struct Damage {
  std::string file;
  uint64_t offset = 0;
  uint64_t length = 0;  // bytes up to the next whole record or the segment's end
  bool operator==(const Damage&) const = default;
};

}  // namespace hikyaku::queue
