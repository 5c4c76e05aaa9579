// Power cuts at random moments of the queue's life: what was acknowledged is there, and nothing torn is seen.
//
// FAULT_CUTS is the number of cuts (default 600), FAULT_SEED another run.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>

#include "queue/journal_reader.h"
#include "queue/journal_writer.h"
#include "queue/record_reader.h"
#include "t/fault/power/recording_disk.h"
#include "t/lib/queue/log_helpers.h"

namespace hikyaku::queue {
namespace {

constexpr uint64_t kSmallReserve = 4096;  // images are copied at each cut

uint64_t from_environment(const char* name, uint64_t usual) {
  const char* text = std::getenv(name);
  return text == nullptr ? usual : std::strtoull(text, nullptr, 10);
}

// Content is a function of the id; some messages need a segment of their own.
Message message_of(uint64_t id) {
  const uint64_t kind = id * 2654435761u % 16;
  return message(id, kind == 0 ? 20000 : kind < 4 ? 5000 : 60 + id % 900);
}

// A log and a journal as the daemons use them, and after which change of the disk each promise was given.
class Life {
 public:
  Life(const std::string& root, RecordingDisk::Lie lie)
      : folders{root + "/log", root + "/journal"}, disk((write_image({}, folders), folders), lie) {}

  std::vector<std::string> folders;
  RecordingDisk disk;

  struct Promise {
    size_t since = 0;  // the disk's changes when it was given
    uint64_t id = 0;
  };
  std::vector<Promise> acknowledged;  // stored
  std::vector<Promise> freed;         // may be gone: given before its segment is freed
  std::vector<uint64_t> completed;    // in the order of the journal
  std::vector<Promise> written;       // `id` is how many completions the journal was given
  std::vector<Promise> synced;        // `id` is how many completions are durable
  uint64_t next_id = 1;

  void live(LogWriter& log, JournalWriter& journal, Chance& chance, int turns) {
    for (int i = 0; i < turns; ++i) {
      const uint64_t what = chance() % 10;
      if (what < 6) take_group(log, chance);
      if (what >= 4 && what < 8) complete_some(journal, chance);
      if (what == 8) sync_and_free(log, journal);
      if (what == 9) rotate(journal);
      for (uint64_t n = chance() % 3; n > 0; --n) (void)log.background_step();
    }
  }

 private:
  void take_group(LogWriter& log, Chance& chance) {
    std::vector<Message> group;
    for (uint64_t n = 1 + chance() % 4; n > 0; --n) group.push_back(message_of(next_id++));
    const std::vector<Place> places = append_all(log, group);
    REQUIRE(log.flush());
    for (size_t i = 0; i < group.size(); ++i) {
      acknowledged.push_back({disk.changes(), group[i].id});
      alive_[group[i].id] = places[i].segment;
    }
  }

  void complete_some(JournalWriter& journal, Chance& chance) {
    for (auto message = alive_.begin(); message != alive_.end();) {
      if (chance() % 4 == 0) {
        ++message;
        continue;
      }
      journal.append(Completed{QueueId{message->first}});
      completed.push_back(message->first);
      message = alive_.erase(message);
    }
    if (chance() % 2 == 0) journal.append(checkpoint());
    written.push_back({disk.changes(), completed.size()});
    REQUIRE(journal.write());
    if (chance() % 2 == 0) sync(journal);
  }

  // Says that all completions so far were told: it must not be heard where one of them is lost.
  JournalRecord checkpoint() const { return Checkpoint{{static_cast<uint32_t>(completed.size()), 0}}; }

  void sync(JournalWriter& journal) {
    REQUIRE(journal.sync());
    synced.push_back({disk.changes(), completed.size()});
  }

  void sync_and_free(LogWriter& log, JournalWriter& journal) {
    sync(journal);
    std::set<uint32_t> used;
    for (const auto& [id, segment] : alive_) used.insert(segment);
    for (const uint32_t segment : log.old_segments()) {
      if (used.contains(segment)) continue;
      for (const uint64_t id : completed) freed.push_back({disk.changes(), id});
      REQUIRE(log.free_segment(segment));
    }
  }

  void rotate(JournalWriter& journal) {
    std::vector<JournalRecord> snapshot{checkpoint()};
    for (const uint64_t id : completed) snapshot.push_back(Completed{QueueId{id}});
    written.push_back({disk.changes(), completed.size()});
    REQUIRE(journal.rotate(snapshot));
    synced.push_back({disk.changes(), completed.size()});
  }

  std::map<uint64_t, uint32_t> alive_;  // segment by id
};

LogOptions options_with(Chance& chance) {
  LogOptions options;
  options.segment_size = kSmallSegment;
  options.nonce = [&chance] { return chance(); };
  return options;
}

// ---- what a restart finds, and what is wrong with it

struct Restart {
  std::set<uint64_t> messages;
  std::vector<uint64_t> completions;
  size_t checkpoint = 0;  // the last one that was heard: so many completions came before it
  bool torn = false;      // the journal
  std::vector<std::string> problems;
};

void read_messages(Disk& disk, const std::string& folder, LogPosition end, Restart& found) {
  LogReader reader(disk, folder);
  std::vector<LogEntry> entries;
  std::vector<Damage> damage;
  auto position = reader.read_entries({}, end, SIZE_MAX / 2, entries, damage);
  if (!position) found.problems.push_back("reading: " + position.error().text);
  for (const Damage& one : damage) found.problems.push_back("damage " + std::to_string(one.offset));
  for (const LogEntry& entry : entries) {
    const Message sent = message_of(entry.id.value);
    auto fd = reader.open_segment(entry.place.segment);
    auto head = fd ? read_head(fd->get(), entry.id, entry.place) : std::unexpected(fd.error());
    std::string content(entry.place.content_length, '\0');
    const bool same = head && read_content(fd->get(), entry.place, 0, content) == content.size() &&
                      content == sent.content && head->envelope == *parse_envelope(sent.envelope);
    if (!same) found.problems.push_back("message " + std::to_string(entry.id.value) + " is not as it was sent");
    found.messages.insert(entry.id.value);
  }
}

Restart restart(Disk& disk, const std::vector<std::string>& folders, Chance& chance) {
  Restart found;
  auto replayed = replay_journal(disk, folders[1], [&](const JournalRecord& record) {
    if (const auto* completed = std::get_if<Completed>(&record)) found.completions.push_back(completed->id.value);
    if (const auto* checkpoint = std::get_if<Checkpoint>(&record)) found.checkpoint = checkpoint->position.segment;
  });
  if (!replayed)
    found.problems.push_back("journal: " + replayed.error().text);
  else if (!replayed->damage.empty())
    found.problems.push_back("journal: damage at " + std::to_string(replayed->damage[0].offset));
  else
    found.torn = !replayed->torn.empty();
  auto log = LogWriter::open(disk, folders[0], options_with(chance));
  if (!log) {
    found.problems.push_back("log: " + log.error().text);
    return found;
  }
  for (const Damage& one : log->damage()) found.problems.push_back("damage " + std::to_string(one.offset));
  read_messages(disk, folders[0], log->durable_end(), found);
  // The journal goes on too, and the log takes mail.
  JournalWriter journal(disk, folders[1], random_nonce, kSmallReserve);
  std::vector<JournalRecord> snapshot{Checkpoint{{static_cast<uint32_t>(found.checkpoint), 0}}};
  for (const uint64_t id : found.completions) snapshot.push_back(Completed{QueueId{id}});
  if (!journal.rotate(snapshot)) found.problems.push_back("the journal cannot go on");
  return found;
}

// What is lost, or there although it should not be.
void compare(const Life& life, size_t cut, Restart& found) {
  std::set<uint64_t> may_be_gone;
  for (const auto& [since, id] : life.freed) {
    if (since <= cut) may_be_gone.insert(id);
  }
  for (const auto& [since, id] : life.acknowledged) {
    if (since > cut || found.messages.contains(id) || may_be_gone.contains(id)) continue;
    found.problems.push_back("message " + std::to_string(id) + " is lost");
  }
  size_t least = 0, most = 0;
  for (const auto& [since, count] : life.synced) least = since <= cut ? count : least;
  for (const auto& [since, count] : life.written) most = since <= cut ? count : most;
  // Of what was not synced any may be missing, but never what a checkpoint rests on; the order stays.
  least = std::max(least, found.checkpoint);
  size_t whole = 0, at = 0;  // completions before the first that is missing; where the last one stood
  for (const uint64_t id : found.completions) {
    const auto next = std::find(life.completed.begin() + static_cast<ptrdiff_t>(at), life.completed.end(), id);
    if (next == life.completed.end())
      return found.problems.push_back("journal: " + std::to_string(id) + " is out of order");
    at = static_cast<size_t>(next - life.completed.begin()) + 1;
    if (at == whole + 1) whole = at;
  }
  if (whole < least || at > most)
    found.problems.push_back("journal: completions up to " + std::to_string(whole) + ", and none after " +
                             std::to_string(at) + ", instead of " + std::to_string(least) + " to " +
                             std::to_string(most));
}

struct Sum {
  uint64_t cuts = 0, second_cuts = 0, broken = 0, torn = 0;
  std::string first;  // problem

  void add(const Restart& found, uint64_t seed, size_t cut) {
    ++cuts;
    torn += found.torn;
    if (found.problems.empty()) return;
    if (broken++ == 0)
      first = found.problems[0] + " (life " + std::to_string(seed) + ", cut " + std::to_string(cut) + ")";
  }
};

// Cuts one life at `cuts` random changes; at every third the power fails again while the restart recovers.
void cut_life(uint64_t seed, RecordingDisk::Lie lie, int cuts, Sum& sum) {
  Chance chance(seed);
  const TemporaryFolder folder;
  Life life(folder.path(), lie);
  {
    auto log = LogWriter::open(life.disk, life.folders[0], options_with(chance));
    REQUIRE(log);
    JournalWriter journal(life.disk, life.folders[1], random_nonce, kSmallReserve);
    REQUIRE(journal.rotate({}));
    life.live(*log, journal, chance, 40);
    if (chance() % 4 == 0) {
      REQUIRE(log->close());
      REQUIRE(journal.close());
    }
  }
  for (int i = 0; i < cuts; ++i) {
    const size_t cut = chance() % (life.disk.changes() + 1);
    write_image(life.disk.after_cut(cut, chance), life.folders);
    RecordingDisk disk(life.folders);
    Restart found = restart(disk, life.folders, chance);
    compare(life, cut, found);
    sum.add(found, seed, cut);
    if (i % 3 != 0 || !found.problems.empty()) continue;
    write_image(disk.after_cut(chance() % (disk.changes() + 1), chance), life.folders);
    RealDisk last;
    Restart again = restart(last, life.folders, chance);
    compare(life, cut, again);
    sum.add(again, seed, cut);
    ++sum.second_cuts;
  }
}

Sum cut_lives(RecordingDisk::Lie lie, uint64_t cuts) {
  constexpr int kCutsOfALife = 20;
  const uint64_t seed = from_environment("FAULT_SEED", 1) << 32;
  Sum sum;
  for (uint64_t life = 0; sum.cuts < cuts; ++life) cut_life(seed + life, lie, kCutsOfALife, sum);
  return sum;
}

}  // namespace

TEST_CASE("a power cut at any moment loses nothing acknowledged, shows nothing torn, and lets every restart succeed") {
  const Sum sum = cut_lives(RecordingDisk::Lie::kNone, from_environment("FAULT_CUTS", 600));
  std::printf("power: %lu cuts, of them %lu during recovery from another; %lu tore the journal; %lu broke a promise\n",
              static_cast<unsigned long>(sum.cuts), static_cast<unsigned long>(sum.second_cuts),
              static_cast<unsigned long>(sum.torn), static_cast<unsigned long>(sum.broken));
  CHECK(sum.torn > 0);
  INFO(sum.first);
  CHECK(sum.broken == 0);
}

TEST_CASE("control: a disk that lies about its flushes is found out") {
  const auto lie = GENERATE(RecordingDisk::Lie::kSyncData, RecordingDisk::Lie::kSyncFolder);
  const Sum sum = cut_lives(lie, 100);
  std::printf("power: %lu cuts of a disk whose %s lies; %lu broke a promise\n", static_cast<unsigned long>(sum.cuts),
              lie == RecordingDisk::Lie::kSyncData ? "sync_data" : "sync_folder",
              static_cast<unsigned long>(sum.broken));
  CHECK(sum.broken > 10);
}

}  // namespace hikyaku::queue
