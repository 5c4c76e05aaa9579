// Checking and repairing header blocks.
#include "queue/checksummed_block.h"

#include <bit>

#include "queue/crc32c.h"
#include "queue/little_endian.h"

namespace hikyaku::queue {
namespace {

// Bits that the block's checksum differs in from what its bytes give.
uint32_t checksum_difference(std::string_view bytes) {
  return load<uint32_t>(&bytes[kBlockCrc]) ^ crc32c(bytes.substr(kBlockVersion));
}

std::optional<size_t> changed_bit_of_magic(std::string_view bytes, std::string_view magic) {
  const uint64_t difference = load<uint64_t>(bytes.data()) ^ load<uint64_t>(magic.data());
  return std::has_single_bit(difference) ? std::optional<size_t>(std::countr_zero(difference)) : std::nullopt;
}

// The bit of a block that is not whole by whose change it would be. The checksum tells any single bit from any other.
std::optional<size_t> changed_bit(std::string_view bytes, std::string_view magic) {
  const uint32_t difference = checksum_difference(bytes);
  if (difference == 0) return changed_bit_of_magic(bytes, magic);
  if (!bytes.starts_with(magic)) return std::nullopt;
  if (std::has_single_bit(difference)) return kBlockCrc * 8 + static_cast<size_t>(std::countr_zero(difference));
  const auto covered = find_changed_bit(bytes.substr(kBlockVersion), load<uint32_t>(&bytes[kBlockCrc]));
  return covered ? std::optional(kBlockVersion * 8 + *covered) : std::nullopt;
}

}  // namespace

bool is_block_whole(std::string_view bytes, std::string_view magic) {
  return bytes.size() >= kBlockFields && bytes.starts_with(magic) && checksum_difference(bytes) == 0;
}

std::optional<size_t> repair_block(std::string& bytes, std::string_view magic) {
  if (bytes.size() < kBlockFields || is_block_whole(bytes, magic)) return std::nullopt;
  const auto bit = changed_bit(bytes, magic);
  if (!bit) return std::nullopt;
  bytes[*bit / 8] = static_cast<char>(bytes[*bit / 8] ^ (1 << (*bit % 8)));
  return *bit / 8;
}

}  // namespace hikyaku::queue
