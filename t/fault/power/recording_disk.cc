// Remembering changes, and playing a cut.
#include "t/fault/power/recording_disk.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace hikyaku::queue {
namespace {

constexpr uint64_t kSector = 512;

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

// Any number from 0 to `most`; the ends are likely, because they are what mostly happens.
size_t any_of(size_t most, Chance& chance) {
  const uint64_t way = chance() % 4;
  return way == 0 ? 0 : way == 1 ? most : chance() % (most + 1);
}

void overwrite_sector(std::string& content, uint64_t sector, uint64_t offset, std::string_view bytes) {
  const uint64_t begin = std::max(offset, sector * kSector);
  const uint64_t end = std::min(offset + bytes.size(), (sector + 1) * kSector);
  if (content.size() < end) content.resize(end);
  content.replace(begin, end - begin, bytes.substr(begin - offset, end - begin));
}

}  // namespace

Image read_image(const std::vector<std::string>& folders) {
  Image image;
  for (const std::string& folder : folders) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      std::ifstream file(entry.path(), std::ios::binary);
      image[entry.path()] = std::string(std::istreambuf_iterator<char>(file), {});
    }
  }
  return image;
}

void write_image(const Image& image, const std::vector<std::string>& folders) {
  for (const std::string& folder : folders) {
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder);
  }
  for (const auto& [path, content] : image) std::ofstream(path, std::ios::binary) << content;
}

RecordingDisk::RecordingDisk(std::vector<std::string> folders, Lie lie) : lie_(lie) {
  for (auto& [path, content] : read_image(folders)) {
    first_names_[path] = first_contents_.size();
    first_contents_.push_back(std::move(content));
  }
  names_ = first_names_;
}

// ---- what happens

util::Result<os::UniqueFd> RecordingDisk::open(const std::string& path, Access access) {
  auto fd = RealDisk::open(path, access);
  if (!fd) return fd;
  if (access == Access::kCreateNew || access == Access::kCreateWriteOnly) {
    names_[path] = first_contents_.size();
    first_contents_.emplace_back();
    changes_.push_back({Kind::kCreate, names_[path], path, {}, 0, {}});
  }
  open_[fd->get()] = names_.at(path);
  return fd;
}

util::Result<size_t> RecordingDisk::pwritev(int fd, std::span<const iovec> pieces, uint64_t offset) {
  auto written = RealDisk::pwritev(fd, pieces, offset);
  if (!written) return written;
  std::string bytes;
  for (const iovec& piece : pieces) bytes.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
  bytes.resize(*written);
  changes_.push_back({Kind::kWrite, open_.at(fd), {}, {}, offset, std::move(bytes)});
  return written;
}

util::Result<void> RecordingDisk::sync_data(int fd) {
  if (lie_ != Lie::kSyncData) changes_.push_back({Kind::kSyncData, open_.at(fd), {}, {}, 0, {}});
  return {};
}

util::Result<void> RecordingDisk::preallocate(int fd, uint64_t length) {
  auto done = RealDisk::preallocate(fd, length);
  if (done) changes_.push_back({Kind::kResize, open_.at(fd), {}, {}, length, {}});
  return done;
}

util::Result<void> RecordingDisk::rename(const std::string& from, const std::string& to) {
  auto done = RealDisk::rename(from, to);
  if (!done) return done;
  changes_.push_back({Kind::kRename, 0, from, to, 0, {}});
  play_name(changes_.back(), names_);
  return done;
}

util::Result<void> RecordingDisk::unlink(const std::string& path) {
  auto done = RealDisk::unlink(path);
  if (!done) return done;
  changes_.push_back({Kind::kUnlink, 0, path, {}, 0, {}});
  play_name(changes_.back(), names_);
  return done;
}

util::Result<void> RecordingDisk::sync_folder(const std::string& path) {
  if (lie_ != Lie::kSyncFolder) changes_.push_back({Kind::kSyncFolder, 0, path, {}, 0, {}});
  return {};
}

// ---- what a cut leaves

void RecordingDisk::play_name(const Change& change, std::map<std::string, FileId>& names) {
  if (change.kind == Kind::kCreate) names[change.path] = change.file;
  if (change.kind == Kind::kUnlink) names.erase(change.path);
  if (change.kind == Kind::kRename) {
    names[change.to] = names.at(change.path);
    names.erase(change.path);
  }
}

std::map<std::string, RecordingDisk::FileId> RecordingDisk::names_after_cut(size_t at, Chance& chance) const {
  std::map<std::string, FileId> names = first_names_;
  std::map<std::string, std::vector<const Change*>> unsynced;  // by folder, in order
  for (size_t i = 0; i < at; ++i) {
    const Change& change = changes_[i];
    if (change.kind == Kind::kSyncFolder) {
      for (const Change* earlier : unsynced[change.path]) play_name(*earlier, names);
      unsynced[change.path].clear();
    } else if (change.kind <= Kind::kUnlink) {
      unsynced[folder_of(change.path)].push_back(&change);
    }
  }
  for (const auto& [folder, later] : unsynced) {
    const size_t kept = any_of(later.size(), chance);
    for (size_t i = 0; i < kept; ++i) play_name(*later[i], names);
  }
  return names;
}

std::string RecordingDisk::content_after_cut(FileId file, size_t at, Chance& chance) const {
  std::string content = first_contents_[file];
  std::vector<const Change*> unsynced;
  for (size_t i = 0; i < at; ++i) {
    const Change& change = changes_[i];
    if (change.file != file || change.kind < Kind::kWrite || change.kind > Kind::kSyncData) continue;
    unsynced.push_back(&change);
    if (change.kind != Kind::kSyncData) continue;
    for (const Change* done : unsynced) {
      if (done->kind == Kind::kResize) content.resize(done->offset);
      if (done->kind != Kind::kWrite) continue;
      if (content.size() < done->offset + done->bytes.size()) content.resize(done->offset + done->bytes.size());
      content.replace(done->offset, done->bytes.size(), done->bytes);
    }
    unsynced.clear();
  }
  std::map<uint64_t, std::vector<const Change*>> sectors;
  for (const Change* change : unsynced) {
    if (change->kind == Kind::kResize && chance() % 2 == 0) content.resize(change->offset);
    if (change->kind != Kind::kWrite || change->bytes.empty()) continue;
    for (uint64_t s = change->offset / kSector; s <= (change->offset + change->bytes.size() - 1) / kSector; ++s) {
      sectors[s].push_back(change);
    }
  }
  // Now and then all or nothing of the file reached the disk; mostly each sector has its own fate.
  const uint64_t way = chance() % 8;
  for (const auto& [sector, writes] : sectors) {
    const size_t kept = way == 0 ? 0 : way == 1 ? writes.size() : any_of(writes.size(), chance);
    for (size_t i = 0; i < kept; ++i) overwrite_sector(content, sector, writes[i]->offset, writes[i]->bytes);
  }
  return content;
}

Image RecordingDisk::after_cut(size_t at, Chance& chance) const {
  Image image;
  for (const auto& [path, file] : names_after_cut(at, chance)) image[path] = content_after_cut(file, at, chance);
  return image;
}

}  // namespace hikyaku::queue
