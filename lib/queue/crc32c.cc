// CRC-32C, eight bytes a step.
#include "queue/crc32c.h"

#include <array>

#include "queue/little_endian.h"

namespace hikyaku::queue {
namespace {

constexpr uint32_t kPolynomial = 0x82f63b78;  // reflected

// kTables[k][b]: what byte b, followed by k zero bytes, does to the checksum.
constexpr auto kTables = [] {
  std::array<std::array<uint32_t, 256>, 8> tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? kPolynomial : 0);
    tables[0][byte] = crc;
  }
  for (size_t k = 1; k < 8; ++k) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t crc = tables[k - 1][byte];
      tables[k][byte] = (crc >> 8) ^ tables[0][crc & 255];
    }
  }
  return tables;
}();

}  // namespace

uint32_t extend_crc32c_by_table(uint32_t crc, std::string_view bytes) {
  crc = ~crc;
  for (; bytes.size() >= 8; bytes.remove_prefix(8)) {
    const uint64_t word = load<uint64_t>(bytes.data()) ^ crc;
    crc = 0;
    for (size_t i = 0; i < 8; ++i) crc ^= kTables[7 - i][(word >> (8 * i)) & 255];
  }
  for (const char byte : bytes) crc = (crc >> 8) ^ kTables[0][(crc ^ static_cast<unsigned char>(byte)) & 255];
  return ~crc;
}

#if defined(__x86_64__)

bool has_crc32c_instruction() { return __builtin_cpu_supports("sse4.2"); }

__attribute__((target("sse4.2"))) uint32_t extend_crc32c_by_instruction(uint32_t crc, std::string_view bytes) {
  uint64_t state = ~crc;
  for (; bytes.size() >= 8; bytes.remove_prefix(8)) {
    state = __builtin_ia32_crc32di(state, load<uint64_t>(bytes.data()));
  }
  auto low = static_cast<uint32_t>(state);
  for (const char byte : bytes) low = __builtin_ia32_crc32qi(low, static_cast<unsigned char>(byte));
  return ~low;
}

#else

bool has_crc32c_instruction() { return false; }

uint32_t extend_crc32c_by_instruction(uint32_t crc, std::string_view bytes) {
  return extend_crc32c_by_table(crc, bytes);
}

#endif

uint32_t extend_crc32c(uint32_t crc, std::string_view bytes) {
  static const auto extend = has_crc32c_instruction() ? extend_crc32c_by_instruction : extend_crc32c_by_table;
  return extend(crc, bytes);
}

// A checksum is linear: by how much it differs depends on the bit and on the number of bytes behind it only.
std::optional<size_t> find_changed_bit(std::string_view bytes, uint32_t crc) {
  const uint32_t difference = crc32c(bytes) ^ crc;
  std::array<uint32_t, 8> effects;  // of the bits of one byte, the last one first
  for (size_t bit = 0; bit < 8; ++bit) effects[bit] = kTables[0][size_t{1} << bit];
  for (size_t byte = bytes.size(); byte-- > 0;) {
    for (size_t bit = 0; bit < 8; ++bit) {
      uint32_t& effect = effects[bit];
      if (effect == difference) return byte * 8 + bit;
      effect = (effect >> 8) ^ kTables[0][effect & 255];
    }
  }
  return std::nullopt;
}

}  // namespace hikyaku::queue
