// CRC-32C (Castagnoli, RFC 3720 appendix B.4): tells a whole record from a torn or damaged one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace hikyaku::queue {

// The checksum of what `crc` covers followed by `bytes`; start with 0. With the processor's instruction where it has
// one.
uint32_t extend_crc32c(uint32_t crc, std::string_view bytes);
inline uint32_t crc32c(std::string_view bytes) { return extend_crc32c(0, bytes); }

// Which bit of `bytes` (0: the lowest of the first byte) has to change so that their checksum is `crc`. Nothing when no
// single one does, or none has to.
std::optional<size_t> find_changed_bit(std::string_view bytes, uint32_t crc);

// The two ways, apart for tests. The first may only be called when has_crc32c_instruction().
bool has_crc32c_instruction();
uint32_t extend_crc32c_by_instruction(uint32_t crc, std::string_view bytes);
uint32_t extend_crc32c_by_table(uint32_t crc, std::string_view bytes);

}  // namespace hikyaku::queue
