// Files: whole ones (read one, replace one so that a crash leaves the old or the new), and reading at an offset.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "os/unique_fd.h"
#include "util/error.h"

namespace hikyaku::os {

// The bytes of a file of at most `limit` bytes.
util::Result<std::string> read_file(const std::string& path, size_t limit = 16 << 20);
// Fills `buffer` from `offset` on, going on after short reads and EINTR; fewer bytes only at the end of the file.
util::Result<size_t> read_at(int fd, std::span<char> buffer, uint64_t offset);
// Writes all, going on after short writes and EINTR.
util::Result<void> write_all(int fd, std::string_view bytes);
// Same at an offset.
util::Result<void> pwrite_all(int fd, std::string_view bytes, off_t offset);
// Replaces `path` by way of a temporary file beside it: written, synced, renamed, the folder synced.
util::Result<void> replace_file(const std::string& path, std::string_view bytes, int mode = 0600);
// Makes renames, creations and removals in a folder durable.
util::Result<void> sync_folder(const std::string& path);
// An anonymous file in memory that holds `bytes`, at offset 0, inherited by no program unless cleared.
util::Result<UniqueFd> memory_file(const char* name, std::string_view bytes);

}  // namespace hikyaku::os
