// From a message's list of fields: its encoding, its decoding and a readable dump. Little-endian, no padding; text and
// lists carry a u32 count. A `std::string_view` field decodes to a view into the frame, good as long as the frame is.
#pragma once

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

#include "queue/place.h"
#include "queue/queue_id.h"
#include "util/text.h"

namespace hikyaku::ipc {

// The list of fields of T: T::fields, or this for types of the pure ring that know nothing of messages.
template <class T>
struct FieldsOf {
  static constexpr auto value = T::fields;
};
template <>
struct FieldsOf<queue::QueueId> {
  static constexpr auto value = std::tuple{&queue::QueueId::value};
};
template <>
struct FieldsOf<queue::Place> {
  using P = queue::Place;
  static constexpr auto value = std::tuple{&P::segment,        &P::nonce, &P::offset,     &P::envelope_length,
                                           &P::content_length, &P::flags, &P::body_length};
};

template <class T>
inline constexpr bool is_vector = false;
template <class T>
inline constexpr bool is_vector<std::vector<T>> = true;

template <class T>
concept Text = std::same_as<T, std::string> || std::same_as<T, std::string_view>;
template <class T>
concept Number = std::is_integral_v<T> || std::is_enum_v<T>;

template <class T>
void encode(const T& value, std::string& out) {
  if constexpr (Number<T>) {
    static_assert(std::endian::native == std::endian::little, "the encoding is little-endian");
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    out.append(bytes, sizeof value);
  } else if constexpr (Text<T>) {
    encode(static_cast<uint32_t>(value.size()), out);
    out.append(value);
  } else if constexpr (is_vector<T>) {
    encode(static_cast<uint32_t>(value.size()), out);
    for (const auto& element : value) encode(element, out);
  } else {
    std::apply([&](auto... member) { (encode(value.*member, out), ...); }, FieldsOf<T>::value);
  }
}

// Takes the value from the front of `in`; false when `in` is too short or holds an impossible value.
template <class T>
[[nodiscard]] bool decode(std::string_view& in, T& value) {
  if constexpr (std::same_as<T, bool>) {
    if (in.empty() || static_cast<unsigned char>(in.front()) > 1) return false;
    value = in.front() == 1;
    in.remove_prefix(1);
    return true;
  } else if constexpr (Number<T>) {
    if (in.size() < sizeof value) return false;
    std::memcpy(&value, in.data(), sizeof value);
    in.remove_prefix(sizeof value);
    if constexpr (std::is_enum_v<T>) return value <= T::kLast;
    return true;
  } else if constexpr (Text<T>) {
    uint32_t length = 0;
    if (!decode(in, length) || in.size() < length) return false;
    value = T(in.substr(0, length));
    in.remove_prefix(length);
    return true;
  } else if constexpr (is_vector<T>) {
    uint32_t count = 0;
    // Each element takes at least a byte, so a hostile count cannot ask for more memory than was sent.
    if (!decode(in, count) || in.size() < count) return false;
    value.clear();
    value.reserve(std::min<size_t>(count, 1024));
    for (uint32_t i = 0; i < count; ++i)
      if (!decode(in, value.emplace_back())) return false;
    return true;
  } else {
    return std::apply([&](auto... member) { return (decode(in, value.*member) && ...); }, FieldsOf<T>::value);
  }
}

// The whole of `in` as one T.
template <class T>
[[nodiscard]] bool decode_all(std::string_view in, T& value) {
  return decode(in, value) && in.empty();
}

// For people: "{7, \"text\", [1, 2]}". Long text is shortened.
template <class T>
void dump(const T& value, std::string& out) {
  if constexpr (std::is_enum_v<T>) {
    out += std::to_string(static_cast<long long>(value));
  } else if constexpr (Number<T>) {
    out += std::to_string(value);
  } else if constexpr (Text<T>) {
    out += '"' + util::escape_for_log(std::string_view(value).substr(0, 80)) + (value.size() > 80 ? "…\"" : "\"");
  } else if constexpr (is_vector<T>) {
    out += '[';
    for (size_t i = 0; i < value.size(); ++i) {
      if (i > 0) out += ", ";
      dump(value[i], out);
    }
    out += ']';
  } else {
    out += '{';
    bool first = true;
    std::apply([&](auto... member) { ((out += first ? "" : ", ", first = false, dump(value.*member, out)), ...); },
               FieldsOf<T>::value);
    out += '}';
  }
}

template <class T>
std::string dump(const T& value) {
  std::string out;
  dump(value, out);
  return out;
}

}  // namespace hikyaku::ipc
