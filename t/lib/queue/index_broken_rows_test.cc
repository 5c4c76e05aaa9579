// Rows of the index that are not as they were written: whoever reads one says which, and the next start sets the file
// aside. No way of reading may take it for the end, or for a message that is not there.
#include <filesystem>

#include "queue/index.h"
#include "queue/index_batch.h"
#include "t/lib/queue/broken_rows.h"
#include "t/lib/queue/index_helpers.h"

namespace hikyaku::queue {
namespace {

constexpr int64_t kDue = 100;

// Messages 1 to 9 to one domain; 5 has a recipient that differs; 8 is taken.
void fill(Index& index) {
  for (uint64_t id = 1; id < 10; ++id) {
    RestingMessage message = resting(id, "example.com", kDue);
    if (id == 5) {
      message.recipients = 2;
      message.differing.push_back({1, message.common});
      message.differing.back().rest.attempts = 7;
    }
    change(index, PutMessage{message});
  }
  change(index, TakeMessage{{8}}, IndexPosition{{1, 100}, 1, 100});
}

using Read = std::function<util::Result<void>(Index&)>;

util::Result<void> as_void(const auto& result) {
  if (!result) return std::unexpected(result.error());
  return {};
}

const Read kFind = [](Index& index) { return as_void(index.find(QueueId{5})); };
const Read kList = [](Index& index) {
  std::vector<RestingMessage> out;
  return index.list({}, 1000, out);
};
const Read kDueOnes = [](Index& index) {
  std::vector<RestingMessage> out;
  DuePosition position;
  return index.next_due(kDue, 1000, any_number, position, out);
};
const Read kTaken = [](Index& index) {
  std::vector<QueueId> out;
  return index.list_taken({}, 1000, out);
};
const Read kDomains = [](Index& index) {
  std::vector<Index::Domain> out;
  return index.list_domains("", 1000, out);
};
const Read kSegments = [](Index& index) { return as_void(index.segments()); };
const Read kPosition = [](Index& index) { return as_void(index.position()); };
const Read kWake = [](Index& index) { return as_void(index.next_wake()); };
const Read kRemoval = [](Index& index) {
  const IndexChange removal = RemoveMessage{{5}};
  return index.apply(std::span(&removal, 1));
};

bool is_of(const std::string& key, uint64_t id) { return key.starts_with(message_key({id})); }

// The last byte is gone: no key or value that the program writes.
void shorten(std::string& text) { text.pop_back(); }

struct Case {
  std::string what;
  std::string table;
  std::function<void(std::string& key, std::string& value)> damage;
  std::string named;  // in the error
  std::vector<Read> reads;
};

const std::vector<Case>& cases() {
  const auto flip = [](uint64_t id) {
    return [id](std::string& key, std::string& value) {
      if (is_of(key, id)) value.at(value.size() / 2) ^= 1;
    };
  };
  const auto remove = [](uint64_t id) {
    return [id](std::string& key, std::string&) {
      if (is_of(key, id)) key.clear();
    };
  };
  const auto spoil_key = [](std::string& key, std::string&) { shorten(key); };
  const auto spoil_value = [](std::string&, std::string& value) { shorten(value); };
  // Of a lane and group not the first: the one at which a turn would go on.
  const auto spoil_a_later_key = [](std::string& key, std::string&) {
    if (key.ends_with(message_key({6}))) shorten(key);
  };
  static const std::vector<Case> all = {
      {"a message", "msg", flip(5), "table msg: " + to_text({5}), {kFind, kList, kDueOnes, kRemoval}},
      {"a message's row is gone", "msg", remove(5), "table ready: " + to_text({5}), {kDueOnes}},
      {"a recipient", "rcpt", flip(5), "table rcpt: " + to_text({5}), {kFind, kList, kDueOnes, kRemoval}},
      {"the only recipient that differs is gone", "rcpt", remove(5), "table rcpt: " + to_text({5}), {kFind, kList}},
      {"all keys of what is due", "ready", spoil_key, "table ready: a key", {kDueOnes}},
      {"one key of what is due", "ready", spoil_a_later_key, "table ready: a key", {kDueOnes}},
      {"a key of what wakes",
       "wake",
       [](std::string& key, std::string&) { key.resize(3); },
       "table wake: a key",
       {kDueOnes, kWake}},
      {"a key of what is taken", "taken", spoil_key, "table taken: a key", {kTaken}},
      {"what is taken is gone", "msg", remove(8), "table taken: " + to_text({8}), {kTaken}},
      {"a domain", "domain", spoil_value, "table domain: a row", {kDomains, kRemoval}},
      {"a segment", "segment", spoil_value, "table segment: 0", {kSegments, kRemoval}},
      {"the position",
       "meta",
       [](std::string& key, std::string& value) {
         if (key == "position") shorten(value);
       },
       "table meta: position",
       {kPosition}},
  };
  return all;
}

}  // namespace

TEST_CASE("whoever reads a damaged row names it, and the next start sets the index aside") {
  for (const Case& one : cases())
    for (size_t n = 0; n < one.reads.size(); ++n) {
      CAPTURE(one.what, n);
      TemporaryFolder folder;
      RealDisk disk;
      {
        auto index = open_index(disk, folder);
        fill(*index);
        CHECK(one.reads[n](*index).has_value());
        CHECK_FALSE(index->failure());
        fill(*index);  // again: it may have been removed
      }
      REQUIRE(change_rows(folder.path(), one.table, one.damage) > 0);
      {
        auto index = open_index(disk, folder);
        const auto read = one.reads[n](*index);
        REQUIRE_FALSE(read);
        CHECK(read.error().permanent);
        CHECK_THAT(read.error().text, Catch::Contains(one.named));
        CHECK(index->failure() == read.error());
        CHECK(index->is_broken());
        CHECK(std::filesystem::exists(folder.path() + "/broken"));
        CHECK_FALSE(one.reads[n](*index));  // it does not go away
      }
      auto index = open_index(disk, folder);
      CHECK(index->is_new());
      CHECK_FALSE(index->failure());
      CHECK(std::filesystem::exists(folder.path() + "/damaged-1.mdb"));
      CHECK_FALSE(std::filesystem::exists(folder.path() + "/broken"));
    }
}

TEST_CASE("a tree that leads in a circle is damage, and not a reason to try again") {
  TemporaryFolder folder;
  RealDisk disk;
  {
    auto index = open_index(disk, folder);
    std::vector<IndexChange> changes;
    for (uint64_t id = 1; id <= 500; ++id) changes.push_back(PutMessage{resting(id, "example.com", kDue)});
    REQUIRE(index->apply(changes));
    REQUIRE(index->sync());
  }
  close_circles(folder.path());
  auto index = open_index(disk, folder);
  const auto found = index->find(QueueId{250});
  REQUIRE_FALSE(found);
  CHECK(found.error().permanent);
  CHECK(index->is_broken());
}

TEST_CASE("what is good before a damaged row is listed, and the listing says that it is not all") {
  TemporaryFolder folder;
  RealDisk disk;
  {
    auto index = open_index(disk, folder);
    fill(*index);
  }
  flip_values(folder.path(), "msg", [](const std::string& key) { return is_of(key, 5); });
  auto index = open_index(disk, folder);
  std::vector<RestingMessage> out;
  CHECK_FALSE(index->list({}, 1000, out));
  CHECK(ids(out) == std::vector<uint64_t>{1, 2, 3, 4});
}

}  // namespace hikyaku::queue
