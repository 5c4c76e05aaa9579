// How the fuzz targets read their input: a few decisions off its front, the rest as it is.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "util/error.h"

namespace hikyaku::fuzz {

// Each decision is 0 when the input has come to its end, so that any input is a whole one.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  bool empty() const { return rest_.empty(); }
  uint8_t byte() { return static_cast<uint8_t>(number(1)); }
  // Little-endian, of so many bytes.
  uint64_t number(size_t bytes) {
    uint64_t value = 0;
    for (size_t i = 0; i < bytes && !rest_.empty(); ++i) {
      value |= uint64_t{static_cast<uint8_t>(rest_.front())} << (8 * i);
      rest_.remove_prefix(1);
    }
    return value;
  }
  std::string_view text(size_t length) {
    const std::string_view taken = rest_.substr(0, length);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

// A promise that the target states. libFuzzer keeps the input for which it does not hold.
inline void promise(bool kept, const char* what) { util::ensure(kept, what); }

// Gives `bytes` to `take` in pieces of so many bytes.
template <class Take>
void in_pieces(std::string_view bytes, size_t piece, Take take) {
  for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) take(bytes.substr(0, piece));
}

inline bool has_control(std::string_view text) {
  return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

}  // namespace hikyaku::fuzz
