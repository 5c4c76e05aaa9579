// A queue that no daemon works on.
#include "ctl/queue_at_rest.h"

#include <unistd.h>

#include <cerrno>
#include <utility>

#include "ctl/ask.h"
#include "ctl/installation.h"
#include "os/file_lock.h"
#include "queue/log_inspection.h"
#include "queue/record_reader.h"

namespace hikyaku::ctl {

namespace {

os::UniqueFd lock(const char* path) {
  if (::access(path, F_OK) != 0 && errno == ENOENT) return {};  // nobody ever held it
  auto held = os::try_lock(path);
  if (!held) throw Failure{util::kExitNoPermission, held.error().text + "; try as root"};
  if (!*held) throw Failure{util::kExitUnavailable, "stop Hikyaku first: its daemons work on the queue"};
  return std::move(*held);
}

}  // namespace

QueueAtRest::QueueAtRest(const std::string& config_directory) {
  enter_queue_directory(config_directory);
  log_ = lock("log/lock");
  journal_ = lock("journal/lock");
}

std::optional<queue::Damage> damage_of_body(queue::Disk& disk, int fd, const queue::LogEntry& entry) {
  if (!entry.place.has_body()) return std::nullopt;
  const auto record = queue::check_record(fd, entry.id, entry.place);
  if (!record) return queue::Damage{std::string("log/") + queue::body_name(entry.id), 0, entry.place.body_length};
  return queue::inspect_body(disk, "log", entry.id, record->body);
}

queue::JournalReport read_journal(queue::Disk& disk, queue::JournalFacts& facts) {
  const std::string folder = "journal";
  auto read = queue::inspect_journal(disk, folder, [&](const queue::JournalRecord& record) { facts.hear(record); });
  queue::JournalReport report;
  if (read)
    report = std::move(*read);
  else
    report = {.file = folder, .problem = read.error().text, .damage = {}, .torn = {}};
  if (!report.intact()) facts.distrust();
  return report;
}

}  // namespace hikyaku::ctl
