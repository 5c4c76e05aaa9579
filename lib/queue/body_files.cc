// Files of big messages.
#include "queue/body_files.h"

#include <algorithm>
#include <atomic>
#include <system_error>
#include <thread>

#include "os/signals_blocked.h"

namespace hikyaku::queue {
namespace {

// Flushes that run at a time: a disk that takes long over each does several together.
constexpr size_t kMostFlushes = 8;

// For the journal and the index, so that mail can leave the queue. (The log has its spares.)
constexpr uint64_t kKeptFree = 32 << 20;

}  // namespace

util::Result<void> BodyFiles::remove_unfinished() {
  const auto names = disk_->list(folder_);
  if (!names) return std::unexpected(names.error());
  for (const std::string& name : *names) {
    if (!parse_unfinished_body_name(name)) continue;
    if (auto removed = disk_->unlink(path(name)); !removed) return removed;
  }
  return {};
}

util::Result<os::UniqueFd> BodyFiles::begin(QueueId name) {
  return disk_->open(path(unfinished_body_name(name)), Access::kCreateWriteOnly);
}

void BodyFiles::drop(QueueId name) { (void)disk_->unlink(path(unfinished_body_name(name))); }

// The renames first: then one flush of a file takes the names of all with it on most file systems, and what is left for
// the others, and for the folder, is cheap. A name says nothing before a record speaks of it.
void BodyFiles::make_durable(std::span<Finished> files) {
  for (Finished& file : files) file.durable = name_for_good(file);
  sync_all(files);
  const bool any = std::ranges::any_of(files, [](const Finished& file) { return file.durable.has_value(); });
  const auto synced = any ? disk_->sync_folder(folder_) : util::Result<void>();
  for (Finished& file : files) {
    if (file.durable && !synced) file.durable = std::unexpected(synced.error());
    if (file.durable) continue;
    drop(file.name);
    (void)free(file.id);
  }
}

void BodyFiles::sync_all(std::span<Finished> files) {
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next++; i < files.size(); i = next++)
      if (files[i].durable) files[i].durable = disk_->sync_data(files[i].fd);
  };
  std::vector<std::jthread> helpers;  // joined at the end
  const os::SignalsBlocked blocked;
  for (size_t count = 1; count < std::min(files.size(), kMostFlushes); ++count) {
    try {
      helpers.emplace_back(work);
    } catch (const std::system_error&) {
      break;  // no thread to be had: those that there are do it all
    }
  }
  work();
}

// Who wrote it may have said anything of it.
util::Result<void> BodyFiles::name_for_good(const Finished& file) {
  const auto size = disk_->size(file.fd);
  if (!size) return std::unexpected(size.error());
  if (*size != file.length)
    return util::permanent(path(body_name(file.id)) + ": " + std::to_string(file.length) + " bytes were announced, " +
                           std::to_string(*size) + " are there");
  return disk_->rename(path(unfinished_body_name(file.name)), path(body_name(file.id)));
}

util::Result<void> BodyFiles::free(QueueId id) {
  auto removed = disk_->unlink(path(body_name(id)));
  if (removed) return {};
  const bool is_there = disk_->open(path(body_name(id)), Access::kRead).has_value();
  return is_there ? removed : util::Result<void>();
}

bool BodyFiles::has_room(uint64_t bytes) const {
  const auto free = disk_->free_space(folder_);
  return free && *free > bytes && *free - bytes > kKeptFree;
}

util::Result<uint64_t> highest_body_id(Disk& disk, const std::string& folder) {
  const auto names = disk.list(folder);
  if (!names) return std::unexpected(names.error());
  QueueId highest;
  for (const std::string& name : *names) {
    const auto finished = parse_body_name(name);
    highest = std::max(highest, finished ? *finished : parse_unfinished_body_name(name).value_or(QueueId{}));
  }
  return highest.value;
}

util::Result<std::vector<QueueId>> list_bodies(Disk& disk, const std::string& folder) {
  const auto names = disk.list(folder);
  if (!names) return std::unexpected(names.error());
  std::vector<QueueId> ids;
  for (const std::string& name : *names)
    if (const auto id = parse_body_name(name)) ids.push_back(*id);
  return ids;
}

}  // namespace hikyaku::queue
