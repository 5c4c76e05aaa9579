// Every system call by which the queue reads or changes what is on disk, so that a test can make any of them fail.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "os/unique_fd.h"
#include "util/error.h"

namespace hikyaku::queue {

enum class Access {
  kRead,
  kWrite,            // an existing file, read and write
  kCreateNew,        // read and write; fails when the name is taken
  kCreateWriteOnly,  // the same, but the descriptor reads nothing: it can be passed on
};

// Errors are temporary and name the call; those that get a path name the path too.
class Disk {
 public:
  virtual ~Disk() = default;

  // Never follows a symbolic link; a new file has mode 0600.
  virtual util::Result<os::UniqueFd> open(const std::string& path, Access access) = 0;
  // Fewer bytes than asked only at the end of the file.
  virtual util::Result<size_t> pread(int fd, std::span<char> buffer, uint64_t offset) = 0;
  // May write fewer bytes than asked, never 0. At most IOV_MAX pieces.
  virtual util::Result<size_t> pwritev(int fd, std::span<const iovec> pieces, uint64_t offset) = 0;
  // After it, all that was written to the file is durable. After a failure, nothing is known, and asking again would
  // lie.
  virtual util::Result<void> sync_data(int fd) = 0;
  // Makes the file `length` bytes long with its blocks allocated: writing into them cannot fail for want of space.
  virtual util::Result<void> preallocate(int fd, uint64_t length) = 0;
  // Asks for dirty pages to be written soon, and does not wait. A hint: failure does not matter.
  virtual void start_writeback(int fd, uint64_t offset, uint64_t length) = 0;
  // Waits until dirty pages are written: so that a file that grows fast leaves little to a flush. A hint too.
  virtual void await_writeback(int fd, uint64_t offset, uint64_t length) = 0;
  virtual util::Result<uint64_t> size(int fd) = 0;
  // When the file was last written to, in microseconds since 1970.
  virtual util::Result<int64_t> last_write(int fd) = 0;

  virtual util::Result<void> rename(const std::string& from, const std::string& to) = 0;
  virtual util::Result<void> unlink(const std::string& path) = 0;
  // Makes creations, renames and removals in the folder durable.
  virtual util::Result<void> sync_folder(const std::string& path) = 0;
  // The names in a folder, without "." and "..", sorted.
  virtual util::Result<std::vector<std::string>> list(const std::string& folder) = 0;
  // Bytes that an ordinary user may still allocate on the folder's file system.
  virtual util::Result<uint64_t> free_space(const std::string& folder) = 0;
};

class RealDisk : public Disk {
 public:
  util::Result<os::UniqueFd> open(const std::string& path, Access access) override;
  util::Result<size_t> pread(int fd, std::span<char> buffer, uint64_t offset) override;
  util::Result<size_t> pwritev(int fd, std::span<const iovec> pieces, uint64_t offset) override;
  util::Result<void> sync_data(int fd) override;
  util::Result<void> preallocate(int fd, uint64_t length) override;
  void start_writeback(int fd, uint64_t offset, uint64_t length) override;
  void await_writeback(int fd, uint64_t offset, uint64_t length) override;
  util::Result<uint64_t> size(int fd) override;
  util::Result<int64_t> last_write(int fd) override;
  util::Result<void> rename(const std::string& from, const std::string& to) override;
  util::Result<void> unlink(const std::string& path) override;
  util::Result<void> sync_folder(const std::string& path) override;
  util::Result<std::vector<std::string>> list(const std::string& folder) override;
  util::Result<uint64_t> free_space(const std::string& folder) override;
};

// Writes all pieces from `offset` on: goes on after short writes, and IOV_MAX pieces at a time. Changes `pieces`.
util::Result<void> write_fully(Disk& disk, int fd, std::span<iovec> pieces, uint64_t offset);
util::Result<void> write_fully(Disk& disk, int fd, std::string_view bytes, uint64_t offset);

// Before the number of a file that is not finished: a crash leaves it, and the next start removes it.
inline constexpr std::string_view kUnfinishedPrefix = "new-";
// Before the number of a file that was damaged; kept for an operator.
inline constexpr std::string_view kDamagedPrefix = "damaged-";

// All bytes of a file. Errors name the path.
util::Result<std::string> read_whole(Disk& disk, const std::string& path);

// Files with a number are named by it in ten digits after `prefix`, so that names sort as numbers do.
std::string numbered_name(std::string_view prefix, uint32_t number);
// Nothing for any other name.
std::optional<uint32_t> parse_numbered_name(std::string_view prefix, std::string_view name);
// The numbers of the files in a folder that are named so, in ascending order.
util::Result<std::vector<uint32_t>> list_numbered(Disk& disk, const std::string& folder, std::string_view prefix);

}  // namespace hikyaku::queue
