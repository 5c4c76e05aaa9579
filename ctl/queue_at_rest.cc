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

KnownState read_state(queue::Disk& disk) {
  KnownState state;
  state.index = queue::inspect_index("index", [&](const queue::RestingMessage& message) { state.facts.hear(message); });
  auto journal =
      queue::inspect_journal(disk, "journal", [&](const queue::JournalRecord& record) { state.facts.hear(record); });
  if (journal)
    state.journal = std::move(*journal);
  else
    state.journal = {.file = "journal", .problem = journal.error().text, .damage = {}, .torn = {}};
  // The first start makes the index before the journal.
  if (state.index.file.empty() && !state.journal.file.empty())
    state.index = {.file = "index/data.mdb", .problems = {"it is not there, and there is a journal"}, .position = {}};
  if (!state.journal.intact() || !state.index.intact()) state.facts.distrust();
  // Which of the mail in a segment that was set aside had been read before, nobody remembers.
  const auto aside = queue::list_numbered(disk, "log", queue::kDamagedPrefix);
  if (!aside) throw Failure{util::kExitTryAgain, aside.error().text};
  for (const uint32_t segment : *aside) state.facts.distrust(segment);
  return state;
}

}  // namespace hikyaku::ctl
