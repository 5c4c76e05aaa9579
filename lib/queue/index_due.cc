// What is due: the domains by their time, and within a domain its lanes and groups in turn.
#include <algorithm>
#include <unordered_set>

#include "queue/index.h"
#include "queue/index_batch.h"
#include "queue/index_tables.h"

namespace hikyaku::queue {
namespace {

constexpr size_t kDomainsAtOnce = 1000;
// A domain's lanes and groups take turns of so many of what is wanted: some neighbours share a page.
constexpr size_t kTurns = 8;

class DueRound {
 public:
  DueRound(IndexTransaction& transaction, const IndexTables& tables, uint32_t now, std::vector<RestingMessage>& out)
      : transaction_(transaction), tables_(tables), now_(now), out_(out) {}

  // At most `wanted` of a domain, and no more than there is room for in the lanes; of each lane the groups from
  // `first_group` on come first.
  void take(const std::string& domain, size_t wanted, DueRoom room, uint8_t first_group) {
    IndexCursor cursor(transaction_, tables_.ready);
    wanted = std::min(wanted, room.total());
    std::vector<Stream> streams = find_streams(cursor, domain, wanted, room, first_group);
    const size_t turn = std::max<size_t>(1, wanted / kTurns);
    while (!streams.empty() && wanted > 0) {
      for (Stream& stream : streams) {
        size_t& room_here = stream.lane == ReadyLane::kFirst ? room.first_attempts : room.others;
        const size_t before = out_.size();
        stream.more = take_turn(cursor, stream.next, std::min({turn, wanted, room_here}));
        wanted -= out_.size() - before;
        room_here -= out_.size() - before;
        stream.more = stream.more && room_here > 0;
      }
      std::erase_if(streams, [](const Stream& stream) { return !stream.more; });
    }
  }

 private:
  // The messages of a lane and group that are due.
  struct Stream {
    ReadyLane lane{};
    std::string next;  // the key of the one that comes next
    bool more = true;
  };

  // The first key of each lane and group of which something is due, a lane's first ones before another's second: a lane
  // that is never empty must not stand before the others. No more of a lane than could be given.
  std::vector<Stream> find_streams(IndexCursor& cursor, const std::string& domain, size_t wanted, DueRoom room,
                                   int first_group) {
    std::vector<std::pair<size_t, Stream>> ranked;
    for (int number = 0; number < kReadyLanes; ++number) {
      const auto lane = static_cast<ReadyLane>(number);
      const size_t most = std::min(wanted, lane == ReadyLane::kFirst ? room.first_attempts : room.others);
      std::vector<std::string> found;
      find_groups(cursor, domain, lane, first_group, kReadyGroups, most, found);
      find_groups(cursor, domain, lane, 0, first_group, most, found);
      for (size_t rank = 0; rank < found.size(); ++rank)
        ranked.emplace_back(rank, Stream{lane, std::move(found[rank])});
    }
    std::ranges::stable_sort(ranked, {}, [](const auto& stream) { return stream.first; });
    std::vector<Stream> streams;
    for (auto& [rank, stream] : ranked) streams.push_back(std::move(stream));
    return streams;
  }

  // Groups from `from` to before `to`.
  void find_groups(IndexCursor& cursor, const std::string& domain, ReadyLane lane, int from, int to, size_t most,
                   std::vector<std::string>& found) {
    while (from < to && found.size() < most && cursor.seek(ready_prefix(domain, lane, static_cast<uint8_t>(from)))) {
      const auto key = parse_ready_key(cursor.key());
      if (!key) return transaction_.found_damage("table ready: a key");
      if (key->domain != domain || key->lane != lane || key->group >= to) return;
      if (key->due <= now_) found.emplace_back(cursor.key());
      from = key->group + 1;
    }
  }

  // False when no more of the stream is due; else it begins with what comes next.
  bool take_turn(IndexCursor& cursor, std::string& stream, size_t most) {
    const std::string own = stream.substr(0, stream.size() - 4 - 8);  // without due and id
    bool more = cursor.seek(stream);
    for (; more && cursor.key().starts_with(own); more = cursor.next()) {
      const auto key = parse_ready_key(cursor.key());
      if (!key) transaction_.found_damage("table ready: a key");
      if (!key || key->due > now_) return false;
      if (most-- == 0) {
        stream = cursor.key();
        return true;
      }
      if (!given_.insert(key->id.value).second) continue;  // due in another domain too
      auto message = read_message(transaction_, tables_, key->id);
      if (!message) transaction_.found_damage("table ready: " + to_text(key->id) + ", which is not in table msg,");
      if (message) out_.push_back(std::move(*message));
    }
    return false;
  }

  IndexTransaction& transaction_;
  const IndexTables& tables_;
  uint32_t now_;
  std::vector<RestingMessage>& out_;
  std::unordered_set<uint64_t> given_;
};

}  // namespace

size_t DueRoom::total() const { return others > SIZE_MAX - first_attempts ? SIZE_MAX : first_attempts + others; }

util::Result<void> Index::next_due(int64_t now, size_t limit, const std::function<DueRoom(const std::string&)>& room,
                                   DuePosition& position, std::vector<RestingMessage>& out) {
  IndexTransaction transaction(environment_.get(), MDB_RDONLY);
  IndexCursor cursor(transaction, tables_->wake);
  DueRound round(transaction, *tables_, kept_seconds(now), out);
  const size_t full = out.size() + limit;
  const std::string from = position.at_start ? std::string() : wake_key(position.last);
  bool more = cursor.seek(from);
  if (more && !position.at_start && cursor.key() == from) more = cursor.next();
  for (size_t looked = 0; more; more = cursor.next()) {
    auto wake = parse_wake_key(cursor.key());
    if (!wake) transaction.found_damage("table wake: a key");
    if (!wake || wake->due > now) break;
    if (looked++ == kDomainsAtOnce || out.size() >= full) {
      if (transaction.code() != 0) break;
      return {};
    }
    if (const DueRoom here = room(wake->domain);
        here.first_attempts > 0 || here.others > 0)  // 101: an odd step meets every group
      round.take(wake->domain, full - out.size(), here, static_cast<uint8_t>(++turn_ * 101));
    position = {false, std::move(*wake)};
  }
  if (transaction.code() != 0) return failed("read what is due", transaction);
  position = {};
  return {};
}

util::Result<std::optional<int64_t>> Index::next_wake() {
  IndexTransaction transaction(environment_.get(), MDB_RDONLY);
  IndexCursor cursor(transaction, tables_->wake);
  std::optional<int64_t> due;
  if (cursor.seek({})) {
    const auto wake = parse_wake_key(cursor.key());
    if (wake)
      due = wake->due;
    else
      transaction.found_damage("table wake: a key");
  }
  if (transaction.code() != 0) return failed("read", transaction);
  return due;
}

}  // namespace hikyaku::queue
