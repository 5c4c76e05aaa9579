// The index: what it tells after changes and after a restart.
#include "queue/index.h"

#include <lmdb.h>

#include <random>

#include "t/lib/queue/index_helpers.h"

namespace hikyaku::queue {

TEST_CASE("a message rests until it is removed, also over a restart") {
  TemporaryFolder folder;
  RealDisk disk;
  RestingMessage message = resting(5, "example.net", 100);
  message.recipients = 4;
  message.differing = {{1, {.step = RestStep::kDone, .attempts = 1, .domain = "example.net"}},
                       {3, {.next_attempt = 50, .domain = "example.org", .reply = "later"}}};
  {
    auto index = open_index(disk, folder);
    change(*index, PutMessage{message}, IndexPosition{{3, 4}, 5, 6});
    REQUIRE(index->sync());
  }
  auto index = open_index(disk, folder);
  CHECK((index->find(QueueId{5}) == message));
  CHECK((index->find(QueueId{6}).value() == std::optional<RestingMessage>()));
  CHECK((index->position() == IndexPosition{{3, 4}, 5, 6}));
  check_whole(*index);
  change(*index, RemoveMessage{QueueId{5}});
  CHECK((index->find(QueueId{5}).value() == std::optional<RestingMessage>()));
  CHECK((index->next_wake().value() == std::optional<int64_t>()));
  check_whole(*index);
}

TEST_CASE("a new index is empty and has room") {
  TemporaryFolder folder;
  RealDisk disk;
  auto index = open_index(disk, folder);
  CHECK(index->has_room());
  CHECK(due_ids(*index, UINT32_MAX).empty());
  CHECK((index->position() == IndexPosition{}));
  check_whole(*index);
}

TEST_CASE("an index of a newer version is refused") {
  TemporaryFolder folder;
  RealDisk disk;
  { open_index(disk, folder); }
  MDB_env* environment = nullptr;
  MDB_txn* transaction = nullptr;
  MDB_dbi meta = 0;
  REQUIRE(mdb_env_create(&environment) == 0);
  REQUIRE(mdb_env_set_maxdbs(environment, 8) == 0);
  REQUIRE(mdb_env_open(environment, folder.path().c_str(), 0, 0600) == 0);
  REQUIRE(mdb_txn_begin(environment, nullptr, 0, &transaction) == 0);
  REQUIRE(mdb_dbi_open(transaction, "meta", 0, &meta) == 0);
  MDB_val key{7, const_cast<char*>("version")}, value{4, const_cast<char*>("\3\0\0\0")};
  REQUIRE(mdb_put(transaction, meta, &key, &value, 0) == 0);
  REQUIRE(mdb_txn_commit(transaction) == 0);
  mdb_env_close(environment);
  const auto index = Index::open(disk, folder.path(), kSmallIndex);
  REQUIRE_FALSE(index);
  CHECK(index.error().permanent);
  CHECK_THAT(index.error().text, Catch::Contains("version 3") && Catch::Contains("version 2"));
}

TEST_CASE("a folder that is not there is an error that names it; a file that is no index is set aside") {
  TemporaryFolder folder;
  RealDisk disk;
  const auto missing = Index::open(disk, folder.path() + "/nowhere", kSmallIndex);
  REQUIRE_FALSE(missing);
  CHECK_THAT(missing.error().text, Catch::Contains("/nowhere"));
  FILE* file = fopen((folder.path() + "/data.mdb").c_str(), "w");
  for (int i = 0; i < 10000; ++i) fputs("no index", file);
  fclose(file);
  const auto made = Index::open(disk, folder.path(), kSmallIndex);
  REQUIRE(made);
  CHECK((*made)->is_new());
  CHECK_THAT((*made)->damage(), Catch::Contains("set aside"));
}

TEST_CASE("what is due comes by domain, the earliest first, and not before its time") {
  TemporaryFolder folder;
  RealDisk disk;
  auto index = open_index(disk, folder);
  change(*index, PutMessage{resting(1, "b.example", 100)}, PutMessage{resting(2, "a.example", 200)},
         PutMessage{resting(3, "b.example", 150)}, PutMessage{resting(4, "b.example", 50)});
  CHECK((index->next_wake().value() == std::optional<int64_t>(50)));
  CHECK(due_ids(*index, 49).empty());
  CHECK((due_ids(*index, 50) == std::vector<uint64_t>{4}));
  CHECK((due_ids(*index, 200) == std::vector<uint64_t>{4, 1, 3, 2}));
}

TEST_CASE("what is taken is not given again until it is put, and a restart tells of it") {
  TemporaryFolder folder;
  RealDisk disk;
  {
    auto index = open_index(disk, folder);
    change(*index, PutMessage{resting(1, "a.example", 100)}, PutMessage{resting(2, "a.example", 200)});
    change(*index, TakeMessage{QueueId{1}}, TakeMessage{QueueId{9}});
    CHECK((due_ids(*index, 1000) == std::vector<uint64_t>{2}));
    CHECK((index->next_wake().value() == std::optional<int64_t>(200)));
    check_whole(*index);
  }
  auto index = open_index(disk, folder);
  std::vector<QueueId> taken;
  REQUIRE(index->list_taken({}, 10, taken));
  CHECK((taken == std::vector<QueueId>{QueueId{1}}));
  change(*index, PutMessage{resting(1, "a.example", 150)});
  CHECK((due_ids(*index, 150) == std::vector<uint64_t>{1}));
  check_whole(*index);
}

TEST_CASE("a blocked domain waits as a whole, and mail that comes for it does not end that") {
  TemporaryFolder folder;
  RealDisk disk;
  auto index = open_index(disk, folder);
  change(*index, PutMessage{resting(1, "dead.example", 100)}, PutMessage{resting(2, "open.example", 110)});
  change(*index, BlockDomain{"dead.example", 500}, BlockDomain{"unknown.example", 500});
  change(*index, PutMessage{resting(3, "dead.example", 50)});
  CHECK((due_ids(*index, 499) == std::vector<uint64_t>{2}));
  CHECK((due_ids(*index, 500) == std::vector<uint64_t>{2, 3, 1}));
  change(*index, BlockDomain{"dead.example", 0});
  CHECK((index->next_wake().value() == std::optional<int64_t>(50)));
  CHECK((due_ids(*index, 120) == std::vector<uint64_t>{3, 1, 2}));
}

TEST_CASE("groups take turns, however much mail one of them has, and each begins a round in its turn") {
  TemporaryFolder folder;
  RealDisk disk;
  auto index = open_index(disk, folder);
  std::vector<IndexChange> changes;
  for (uint64_t id = 1; id <= 500; ++id) changes.push_back(PutMessage{resting(id, "a.example", 10, 7)});
  changes.push_back(PutMessage{resting(1000, "a.example", 90, 200)});
  changes.push_back(PutMessage{resting(1001, "a.example", 90, 3)});
  REQUIRE(index->apply(changes));
  const auto given = due_ids(*index, 100, 20);
  REQUIRE(given.size() == 20);
  CHECK(std::ranges::count(given, 1000u) == 1);
  CHECK(std::ranges::count(given, 1001u) == 1);
  std::set<uint64_t> first;
  for (int i = 0; i < 256; ++i) first.insert(due_ids(*index, 100, 1).at(0));
  CHECK((first == std::set<uint64_t>{1, 1000, 1001}));
  CHECK(due_ids(*index, 100).size() == 502);
}

TEST_CASE("first attempts come before retries and these before reports, and none is left out") {
  TemporaryFolder folder;
  RealDisk disk;
  auto index = open_index(disk, folder);
  RestingMessage report = resting(1, "a.example", 10), retry = resting(2, "a.example", 20),
                 first = resting(3, "a.example", 30);
  report.sender = "";
  first.common.attempts = 0;
  change(*index, PutMessage{report}, PutMessage{retry}, PutMessage{first});
  CHECK((due_ids(*index, 100) == std::vector<uint64_t>{3, 2, 1}));
}

TEST_CASE("first attempts of many groups leave retries and reports their share") {
  TemporaryFolder folder;
  RealDisk disk;
  auto index = open_index(disk, folder);
  std::vector<IndexChange> changes;
  for (uint64_t id = 1; id <= 200; ++id) {
    RestingMessage first = resting(id, "a.example", 10, static_cast<uint8_t>(id));
    first.common.attempts = 0;
    changes.push_back(PutMessage{first});
  }
  RestingMessage report = resting(1001, "a.example", 90);
  report.sender = "";
  changes.push_back(PutMessage{resting(1000, "a.example", 90)});
  changes.push_back(PutMessage{report});
  REQUIRE(index->apply(changes));
  const auto given = due_ids(*index, 100, 5);
  REQUIRE(given.size() == 5);
  CHECK(given[0] < 1000);
  CHECK(given[1] == 1000);
  CHECK(given[2] == 1001);
}

TEST_CASE("a message for two domains is given once, and is due when the first of them is") {
  TemporaryFolder folder;
  RealDisk disk;
  auto index = open_index(disk, folder);
  RestingMessage message = resting(1, "a.example", 100);
  message.recipients = 2;
  message.differing = {{1, {.next_attempt = 200, .domain = "b.example"}}};
  change(*index, PutMessage{message}, BlockDomain{"a.example", 1000});
  CHECK(due_ids(*index, 199).empty());
  CHECK((due_ids(*index, 200) == std::vector<uint64_t>{1}));
  CHECK((due_ids(*index, 2000) == std::vector<uint64_t>{1}));
  change(*index, TakeMessage{QueueId{1}});
  CHECK(due_ids(*index, 2000).empty());
  check_whole(*index);
}

TEST_CASE("a lane gives no more than it has room for, and leaves the other lane's room alone") {
  TemporaryFolder folder;
  RealDisk disk;
  auto index = open_index(disk, folder);
  std::vector<IndexChange> changes;
  for (uint64_t id = 1; id <= 100; ++id) {
    PutMessage put{resting(id, "example.com", 100, static_cast<uint8_t>(id % 3))};
    if (id > 50) put.message.common.attempts = 0;
    changes.push_back(std::move(put));
  }
  REQUIRE(index->apply(changes));
  struct Row {
    DueRoom room;
    size_t first_attempts, others;
  };
  for (const Row& row :
       {Row{{10, 20}, 10, 20}, Row{{0, 7}, 0, 7}, Row{{70, 0}, 50, 0}, Row{{SIZE_MAX, SIZE_MAX}, 50, 50}}) {
    std::vector<RestingMessage> due;
    DuePosition position;
    REQUIRE(index->next_due(
        100, 1000, [&](const std::string&) { return row.room; }, position, due));
    const auto tried = static_cast<size_t>(
        std::ranges::count_if(due, [](const RestingMessage& message) { return message.common.attempts > 0; }));
    CHECK(due.size() - tried == row.first_attempts);
    CHECK(tried == row.others);
  }
}

TEST_CASE("a domain gives no more than there is room for, and a round goes on where it stopped") {
  TemporaryFolder folder;
  RealDisk disk;
  auto index = open_index(disk, folder);
  std::vector<IndexChange> changes;
  for (uint64_t id = 0; id < 3000; ++id)
    changes.push_back(PutMessage{resting(id + 1, "d" + std::to_string(id % 1500) + ".example", 100)});
  REQUIRE(index->apply(changes));
  const auto one = [](const std::string& domain) { return domain == "d3.example" ? DueRoom{} : DueRoom{1, 1}; };
  std::vector<RestingMessage> due;
  DuePosition position;
  int calls = 0;
  do {
    REQUIRE(index->next_due(100, 400, one, position, due));
    ++calls;
  } while (!position.at_start && calls < 100);
  CHECK(calls == 4);
  std::set<std::string> domains;
  for (const RestingMessage& message : due) domains.insert(message.common.domain);
  CHECK(domains.size() == 1499);
  CHECK(due.size() == 1499);
  CHECK_FALSE(domains.contains("d3.example"));
}

TEST_CASE("a moved message is found at its new place, and its segment is free") {
  TemporaryFolder folder;
  RealDisk disk;
  auto index = open_index(disk, folder);
  RestingMessage message = resting(1, "a.example", 100);
  message.recipients = 2;
  message.differing = {{1, {.next_attempt = 200, .domain = "b.example"}}};
  change(*index, PutMessage{message});
  message.place = {99, 1, 2, 100, 1000, kMoved};
  change(*index, MoveMessage{QueueId{1}, message.place}, MoveMessage{QueueId{2}, message.place});
  CHECK((index->find(QueueId{1}) == message));
  CHECK((index->segments() == std::vector<Index::Segment>{{99, {1, 1100}}}));
  check_whole(*index);
}

TEST_CASE("whatever is done in whatever order, all tables tell the same and the messages are the last ones put") {
  TemporaryFolder folder;
  RealDisk disk;
  auto index = open_index(disk, folder);
  std::minstd_rand random(4);
  const auto below = [&](uint32_t n) { return static_cast<uint32_t>(random() % n); };
  const auto domain = [&] { return "d" + std::to_string(below(5)) + ".example"; };
  std::map<uint64_t, RestingMessage> expected;
  for (int round = 0; round < 60; ++round) {
    std::vector<IndexChange> changes;
    for (int n = 0; n < 20; ++n) {
      const QueueId id{below(40) + 1};
      switch (below(6)) {
        case 0:
        case 1:
        case 2: {
          RestingMessage message = resting(id.value, domain(), below(100), static_cast<uint8_t>(below(3)));
          message.held = below(5) == 0;
          message.recipients = 1 + below(4);
          for (uint32_t i = 0; i < message.recipients; ++i)
            if (below(2) == 0)
              message.differing.push_back({i,
                                           {.step = static_cast<RestStep>(1 + below(3)),
                                            .attempts = below(2),
                                            .next_attempt = below(100),
                                            .domain = domain()}});
          expected[id.value] = message;
          changes.push_back(PutMessage{message});
          break;
        }
        case 3:
          changes.push_back(TakeMessage{id});
          break;
        case 4:
          expected.erase(id.value);
          changes.push_back(RemoveMessage{id});
          break;
        case 5:
          changes.push_back(BlockDomain{domain(), below(100)});
          if (!expected.contains(id.value)) break;
          expected[id.value].place.segment = 100 + below(3);
          changes.push_back(MoveMessage{id, expected[id.value].place});
      }
    }
    REQUIRE(index->apply(changes));
    check_whole(*index);
    std::vector<RestingMessage> all;
    for (const auto& [id, message] : expected) all.push_back(message);
    REQUIRE((list_all(*index, 7) == all));
  }
}

TEST_CASE("200,000 messages to one sleeping domain stand before nobody's mail") {
  TemporaryFolder folder;
  RealDisk disk;
  auto index = open_index(disk, folder);
  for (uint64_t from = 0; from < 200000; from += 10000) {
    std::vector<IndexChange> changes;
    for (uint64_t id = from + 1; id <= from + 10000; ++id)
      changes.push_back(PutMessage{resting(id, "dead.example", 10, static_cast<uint8_t>(id))});
    REQUIRE(index->apply(changes));
  }
  std::vector<IndexChange> changes{BlockDomain{"dead.example", 10000}};
  for (uint64_t id = 300001; id <= 301000; ++id)
    changes.push_back(PutMessage{resting(id, "d" + std::to_string(id) + ".example", 500)});
  REQUIRE(index->apply(changes));
  // Looked at are the domains, not their messages.
  size_t asked = 0;
  std::vector<RestingMessage> due;
  DuePosition position;
  const auto count = [&](const std::string&) { return ++asked, DueRoom{SIZE_MAX, SIZE_MAX}; };
  REQUIRE(index->next_due(1000, 1000, count, position, due));
  CHECK(due.size() == 1000);
  CHECK(asked == 1000);
  CHECK(due.front().id.value > 300000);
  // Awake, it is one domain among the others.
  REQUIRE(index->apply(std::vector<IndexChange>{BlockDomain{"dead.example", 0}}));
  due.clear();
  const auto few = [](const std::string&) { return DueRoom{10, 10}; };
  position = {};
  REQUIRE(index->next_due(1000, 2000, few, position, due));
  CHECK(std::ranges::count(due, "dead.example", [](const auto& m) { return m.common.domain; }) == 10);
}

}  // namespace hikyaku::queue
