// A broken index: set aside, and told.
#include <filesystem>
#include <fstream>
#include <iterator>

#include "queue/index.h"
#include "t/lib/queue/index_helpers.h"

namespace hikyaku::queue {

TEST_CASE("a broken index is set aside, and a new one says that it is new") {
  TemporaryFolder folder;
  RealDisk disk;
  {
    auto index = open_index(disk, folder);
    CHECK(index->is_new());
    CHECK(index->damage().empty());
    change(*index, PutMessage{resting(1, "example.com", 100)});
    REQUIRE(index->sync());
  }
  {
    auto index = open_index(disk, folder);
    CHECK_FALSE(index->is_new());
    CHECK(index->messages().value_or(0) == 1);
  }
  {
    std::fstream file(folder.path() + "/data.mdb", std::ios::in | std::ios::out | std::ios::binary);
    file << std::string(8192, 'x');  // both meta pages
  }
  for (int round = 0; round < 2; ++round) {
    auto index = open_index(disk, folder);
    CHECK(index->is_new() == (round == 0));
    CHECK((index->damage().find("set aside as") != std::string::npos) == (round == 0));
    CHECK(index->messages().value_or(1) == 0);
    CHECK(std::filesystem::exists(folder.path() + "/damaged-1.mdb"));
  }
}

TEST_CASE("an index that was found broken is set aside at the next start") {
  TemporaryFolder folder;
  RealDisk disk;
  {
    auto index = open_index(disk, folder);
    std::vector<IndexChange> changes;
    for (uint64_t id = 1; id <= 2000; ++id) changes.push_back(PutMessage{resting(id, "example.com", 100)});
    REQUIRE(index->apply(changes));
    REQUIRE(index->sync());
  }
  {
    // A value that says nothing: the lengths inside are wrong.
    std::fstream file(folder.path() + "/data.mdb", std::ios::in | std::ios::out | std::ios::binary);
    std::string bytes((std::istreambuf_iterator<char>(file)), {});
    for (size_t at = 0; (at = bytes.find("sender@example.com", at)) != std::string::npos; ++at) bytes[at - 2] = '\xff';
    file.clear();
    file.seekp(0);
    file << bytes;
  }
  {
    auto index = open_index(disk, folder);
    CHECK(index->damage().empty());
    const auto found = index->find(QueueId{1000});
    REQUIRE_FALSE(found);
    CHECK(found.error().permanent);
  }
  auto index = open_index(disk, folder);
  CHECK(index->is_new());
  CHECK(index->damage().find("found broken") != std::string::npos);
}

}  // namespace hikyaku::queue
