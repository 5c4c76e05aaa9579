// Numbers as they stand on disk: little-endian, whatever the machine.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace hikyaku::queue {

template <class Number>
constexpr Number swap_if_big_endian(Number value) {
  if constexpr (std::endian::native == std::endian::little) {
    return value;
  } else {
    return std::byteswap(value);
  }
}

// Writes sizeof(Number) bytes to `out`.
template <class Number>
void store(char* out, Number value) {
  value = swap_if_big_endian(value);
  std::memcpy(out, &value, sizeof value);
}

// Reads sizeof(Number) bytes from `in`.
template <class Number>
Number load(const char* in) {
  Number value;
  std::memcpy(&value, in, sizeof value);
  return swap_if_big_endian(value);
}

template <class Number>
void append_number(std::string& out, Number value) {
  char bytes[sizeof value];
  store(bytes, value);
  out.append(bytes, sizeof bytes);
}

// Takes a number off the front of `in`; false, and `in` as it was, when it is too short.
template <class Number>
bool take_number(std::string_view& in, Number& value) {
  if (in.size() < sizeof value) return false;
  value = load<Number>(in.data());
  in.remove_prefix(sizeof value);
  return true;
}

}  // namespace hikyaku::queue
