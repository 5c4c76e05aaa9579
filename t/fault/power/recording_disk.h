// A disk that remembers every change and what made it durable, so that any power cut can be played afterwards.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "queue/disk.h"

namespace hikyaku::queue {

using Chance = std::mt19937_64;

// What is on a disk: content by path.
using Image = std::map<std::string, std::string>;

Image read_image(const std::vector<std::string>& folders);
void write_image(const Image& image, const std::vector<std::string>& folders);

// Works on real files, of which those in `folders` at its making count as durable. What a power cut leaves:
//
// - Of a file, all that was written before its last successful sync_data. Each sector of 512 bytes that was written
// since
//   holds any of the contents that it had since then: writes are torn and reordered. Its size is an old or a new one.
// - Of the names, those before the last sync_folder, and of the changes since then the first few: file systems with a
//   journal keep their order.
class RecordingDisk : public RealDisk {
 public:
  enum class Lie { kNone, kSyncData, kSyncFolder };

  explicit RecordingDisk(std::vector<std::string> folders, Lie lie = Lie::kNone);

  // Changes so far. A cut at `n` forgets all that came after the first n.
  size_t changes() const { return changes_.size(); }
  Image after_cut(size_t at, Chance& chance) const;

  util::Result<os::UniqueFd> open(const std::string& path, Access access) override;
  util::Result<size_t> pwritev(int fd, std::span<const iovec> pieces, uint64_t offset) override;
  util::Result<void> sync_data(int fd) override;
  util::Result<void> preallocate(int fd, uint64_t length) override;
  void start_writeback(int, uint64_t, uint64_t) override {}
  util::Result<void> rename(const std::string& from, const std::string& to) override;
  util::Result<void> unlink(const std::string& path) override;
  util::Result<void> sync_folder(const std::string& path) override;

 private:
  using FileId = size_t;
  enum class Kind { kCreate, kRename, kUnlink, kWrite, kResize, kSyncData, kSyncFolder };
  struct Change {
    Kind kind;
    FileId file = 0;
    std::string path, to;  // names
    uint64_t offset = 0;   // or the new size
    std::string bytes;
  };
  struct FileState;

  static void play_name(const Change& change, std::map<std::string, FileId>& names);
  std::map<std::string, FileId> names_after_cut(size_t at, Chance& chance) const;
  std::string content_after_cut(FileId file, size_t at, Chance& chance) const;

  Lie lie_;
  std::vector<Change> changes_;
  std::map<std::string, FileId> first_names_;
  std::vector<std::string> first_contents_;  // by FileId; of later files empty
  std::map<std::string, FileId> names_;      // now
  std::map<int, FileId> open_;               // by descriptor; a closed one stays until its number is used again
};

}  // namespace hikyaku::queue
