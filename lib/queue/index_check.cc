// Holds the tables of an index against each other.
#include "queue/index_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_set>

#include "queue/index_batch.h"
#include "queue/little_endian.h"

namespace hikyaku::queue {
namespace {

constexpr size_t kMostProblems = 100;

// A broken file's texts may hold anything, and these go to a terminal.
std::string shown(std::string_view text) {
  std::string printable(text);
  std::ranges::replace_if(
      printable, [](char c) { return c <= ' ' || c > '~'; }, '?');
  return printable;
}

class IndexCheck {
 public:
  IndexCheck(MDB_env* environment, const IndexTables& tables, const IndexListener& listener)
      : environment_(environment), tables_(tables), listener_(listener) {}

  IndexPosition run() {
    read_taken();
    read_messages();
    read_recipients();
    read_ready();
    read_domains();
    read_wake();
    read_segments();
    return read_meta();
  }

 private:
  // False for an entry that the program never wrote.
  using Each = std::function<bool(std::string_view key, std::string_view value)>;

  template <class... Args>
  void tell(fmt::format_string<Args...> format, Args&&... args) {
    if (++problems_ < kMostProblems) listener_.problem(fmt::format(format, std::forward<Args>(args)...));
    if (problems_ == kMostProblems) listener_.problem("there is more, which is not listed");
  }
  void walk(const char* name, MDB_dbi table, const Each& each);
  std::optional<RestingMessage> message(QueueId id);
  void read_taken();
  void read_messages();
  void count(const RestingMessage& message);
  void read_recipients();
  void read_ready();
  void read_domains();
  void read_wake();
  void read_segments();
  IndexPosition read_meta();

  MDB_env* environment_;
  const IndexTables& tables_;
  const IndexListener& listener_;
  size_t problems_ = 0;
  // What the messages say.
  std::unordered_set<uint64_t> taken_, known_;
  std::map<std::string, DomainRow, std::less<>> domains_;
  std::map<uint32_t, SegmentRow> segments_;
  uint64_t ready_ = 0, differing_ = 0;
  // What is to be woken, by the rows of domains.
  std::set<WakeKey> wakes_;
};

// Keys that must ascend end also a walk through pages that lead in a circle. A transaction of its own, because a
// failure is the end of one.
void IndexCheck::walk(const char* name, MDB_dbi table, const Each& each) {
  IndexTransaction transaction(environment_, MDB_RDONLY);
  const uint64_t entries = transaction.entries(table);
  IndexCursor cursor(transaction, table);
  std::string previous;
  uint64_t seen = 0;
  for (bool more = cursor.seek({}); more; more = cursor.next()) {
    if (++seen > 1 && cursor.key() <= previous) return tell("table {}: entry {} is out of order", name, seen);
    previous = cursor.key();
    if (!each(cursor.key(), cursor.value())) tell("table {}: entry {} makes no sense", name, seen);
  }
  if (transaction.code() != 0)
    tell("table {}: {}, behind entry {}", name, mdb_strerror(transaction.code()), seen);
  else if (seen != entries)
    tell("table {}: {} entries, and there should be {}", name, seen, entries);
}

std::optional<RestingMessage> IndexCheck::message(QueueId id) {
  IndexTransaction transaction(environment_, MDB_RDONLY);
  auto found = read_message(transaction, tables_, id);
  return transaction.code() == 0 ? std::move(found) : std::nullopt;
}

void IndexCheck::read_taken() {
  walk("taken", tables_.taken, [&](std::string_view key, std::string_view) {
    const auto id = parse_message_key(key);
    if (id) taken_.insert(id->value);
    return id.has_value();
  });
}

void IndexCheck::read_messages() {
  walk("msg", tables_.message, [&](std::string_view key, std::string_view value) {
    const auto id = parse_message_key(key);
    const auto parsed = id ? parse_message_value(*id, value) : std::nullopt;
    if (!parsed) return false;
    const auto whole = parsed->has_differing ? message(*id) : parsed->message;
    if (!whole || whole->differing.empty() == parsed->has_differing) {
      tell("{}: the recipients that differ cannot be read", to_text(*id));
      return true;
    }
    count(*whole);
    if (listener_.message) listener_.message(*whole);
    return true;
  });
  for (const uint64_t id : taken_)
    if (!known_.contains(id)) tell("{}: taken, and not there", to_text(QueueId{id}));
}

void IndexCheck::count(const RestingMessage& message) {
  known_.insert(message.id.value);
  differing_ += message.differing.size();
  SegmentRow& segment = segments_[message.place.segment];
  ++segment.messages;
  segment.bytes += message.place.envelope_length + message.place.content_length;
  if (taken_.contains(message.id.value)) return;
  for (const ReadyKey& key : ready_keys(message)) {
    DomainRow& row = domains_[key.domain];
    ++row.messages;
    row.first_due = std::min(row.first_due, key.due);
    ++ready_;
  }
}

void IndexCheck::read_recipients() {
  uint64_t found = 0;
  walk("rcpt", tables_.recipient, [&](std::string_view key, std::string_view value) {
    const auto id = key.size() < 8 ? std::nullopt : parse_message_key(key.substr(0, 8));
    const auto index = id ? parse_recipient_key(key, *id) : std::nullopt;
    if (!index || !parse_recipient_value(*id, *index, value)) return false;
    if (!known_.contains(id->value)) tell("{}: a recipient of a message that is not there", to_text(*id));
    ++found;
    return true;
  });
  if (found != differing_) tell("{} recipients differ, and messages have {}", found, differing_);
}

void IndexCheck::read_ready() {
  uint64_t found = 0;
  walk("ready", tables_.ready, [&](std::string_view key, std::string_view) {
    const auto ready = parse_ready_key(key);
    if (!ready) return false;
    const auto due = message(ready->id);
    const auto keys = due ? ready_keys(*due) : std::vector<ReadyKey>();
    if (taken_.contains(ready->id.value) || std::ranges::find(keys, *ready) == keys.end())
      tell("{}: due for {}, and the message does not say so", to_text(ready->id), shown(ready->domain));
    ++found;
    return true;
  });
  if (found != ready_) tell("{} entries are due some time, and by the messages {}", found, ready_);
}

void IndexCheck::read_domains() {
  walk("domain", tables_.domain, [&](std::string_view key, std::string_view value) {
    const auto name = parse_domain_key(key);
    const auto row = parse_domain_value(value);
    if (!name || !row) return false;
    wakes_.insert({row->wake(), std::string(*name)});
    const auto counted = domains_.find(*name);
    if (counted == domains_.end() || counted->second.messages != row->messages ||
        counted->second.first_due != row->first_due)
      tell("domain {}: its row does not say what its messages say", shown(*name));
    if (counted != domains_.end()) domains_.erase(counted);
    return true;
  });
  for (const auto& [name, row] : domains_) tell("domain {}: {} messages, and no row", shown(name), row.messages);
}

void IndexCheck::read_wake() {
  walk("wake", tables_.wake, [&](std::string_view key, std::string_view) {
    const auto wake = parse_wake_key(key);
    if (wake && wakes_.erase(*wake) == 0) tell("domain {}: woken when nothing is due", shown(wake->domain));
    return wake.has_value();
  });
  for (const WakeKey& wake : wakes_) tell("domain {}: never woken", shown(wake.domain));
}

void IndexCheck::read_segments() {
  walk("segment", tables_.segment, [&](std::string_view key, std::string_view value) {
    const auto number = parse_segment_key(key);
    const auto row = parse_segment_value(value);
    if (!number || !row) return false;
    if (segments_[*number] != *row) tell("segment {}: its row does not say what its messages say", *number);
    segments_.erase(*number);
    return true;
  });
  for (const auto& [number, row] : segments_) tell("segment {}: {} messages, and no row", number, row.messages);
}

IndexPosition IndexCheck::read_meta() {
  std::optional<IndexPosition> position;
  bool has_version = false;
  walk("meta", tables_.meta, [&](std::string_view key, std::string_view value) {
    if (key == "position") return (position = parse_position_value(value)).has_value();
    if (key == "version") {
      has_version = value.size() == sizeof(uint32_t) && load<uint32_t>(value.data()) == kIndexVersion;
      return has_version;
    }
    return key == "syncs";
  });
  if (!has_version) tell("it is not of version {}", kIndexVersion);
  return position.value_or(IndexPosition{});
}

}  // namespace

IndexPosition check_tables(MDB_env* environment, const IndexTables& tables, const IndexListener& listener) {
  return IndexCheck(environment, tables, listener).run();
}

}  // namespace hikyaku::queue
