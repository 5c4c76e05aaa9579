// The block at the front of a segment and of a journal file:
//
//   magic (8 bytes), crc32c u32 of all that follows it, version u32, fields of that version
//
// So it is in every version: a changed bit in the version's number is then not taken for another version.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace hikyaku::queue {

inline constexpr size_t kBlockCrc = 8;
inline constexpr size_t kBlockVersion = 12;
inline constexpr size_t kBlockFields = 16;

// Whether the block is as it was written; `bytes` are all of it.
bool is_block_whole(std::string_view bytes, std::string_view magic);

// Where exactly one bit has changed since the block was written, changes it back and returns the offset of its byte.
// Nothing, and nothing changed: it is whole, or more is wrong.
std::optional<size_t> repair_block(std::string& bytes, std::string_view magic);

}  // namespace hikyaku::queue
