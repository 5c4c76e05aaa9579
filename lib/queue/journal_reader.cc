// Replay.
#include "queue/journal_reader.h"

#include <algorithm>
#include <limits>
#include <optional>

namespace hikyaku::queue {
namespace {

util::Result<std::optional<uint32_t>> newest_file(Disk& disk, const std::string& folder) {
  auto names = disk.list(folder);
  if (!names) return std::unexpected(names.error());
  std::optional<uint32_t> newest;
  for (const std::string& name : *names) {
    if (const auto number = parse_numbered_name("", name)) newest = std::max(newest.value_or(0), *number);
  }
  return newest;
}

// Whether a record behind `offset` says that the bytes there were durable.
bool is_vouched_for(std::string_view bytes, uint64_t offset, uint64_t nonce) {
  for (uint64_t at = offset + 1; at < bytes.size(); ++at) {
    const auto record = find_journal_record(bytes.substr(at), nonce);
    if (record && record->durable_before > offset) return true;
  }
  return false;
}

std::string place(const std::string& path, uint64_t offset) { return path + ", offset " + std::to_string(offset); }

}  // namespace

util::Result<void> replay_journal(Disk& disk, const std::string& folder,
                                  const std::function<void(const JournalRecord&)>& apply) {
  auto number = newest_file(disk, folder);
  if (!number) return std::unexpected(number.error());
  if (!*number) return {};
  const std::string path = folder + "/" + numbered_name("", **number);
  auto file = read_whole(disk, path);
  if (!file) return std::unexpected(file.error());
  auto header = parse_journal_header(*file);
  if (!header) return util::permanent(path + ": " + header.error().text);
  if (header->number != **number) return util::permanent(path + ": its header has another number");

  const std::string_view bytes = *file;
  uint64_t offset = kJournalHeaderSize;
  while (const auto found = find_journal_record(bytes.substr(offset), header->nonce)) {
    auto record = parse_journal_record(found->body);
    if (!record) return util::permanent(place(path, offset) + ": " + record.error().text);
    apply(*record);
    offset += found->size;
  }
  if (offset < header->snapshot_end || is_vouched_for(bytes, offset, header->nonce)) {
    return util::permanent(place(path, offset) + ": damaged");
  }
  return {};
}

}  // namespace hikyaku::queue
