// What the tests of the index share: messages for it, and all that can be seen in one.
#pragma once

#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "queue/index.h"
#include "t/lib/queue/faulty_disk.h"

namespace hikyaku::queue {

inline constexpr IndexOptions kSmallIndex{.map_size = 256 << 20, .ballast = 64 << 10};

inline std::unique_ptr<Index> open_index(Disk& disk, const TemporaryFolder& folder,
                                         IndexOptions options = kSmallIndex) {
  auto index = Index::open(disk, folder.path(), options);
  if (!index) FAIL(index.error().text);
  return std::move(*index);
}

// A message to one recipient of `domain`, tried once.
inline RestingMessage resting(uint64_t id, const std::string& domain, int64_t due, uint8_t group = 0) {
  RestingMessage message;
  message.id = QueueId{id};
  message.place = {static_cast<uint32_t>(id / 1000), 77, id * 10, 100, 1000, 0};
  message.arrival = static_cast<int64_t>(id) * 1'000'000;
  message.group = group;
  message.sender = "sender@example.com";
  message.recipients = 1;
  message.common = {.attempts = 1,
                    .next_attempt = due,
                    .domain = domain,
                    .enhanced_code = "4.4.1",
                    .reply = "connect to mx[192.0.2.1]:25: Connection refused"};
  return message;
}

template <class... Changes>
void change(Index& index, Changes... changes) {
  const IndexChange all[] = {std::move(changes)...};
  const auto applied = index.apply(all);
  if (!applied) FAIL(applied.error().text);
}

inline DueRoom any_number(const std::string&) { return {SIZE_MAX, SIZE_MAX}; }

inline std::vector<uint64_t> ids(const std::vector<RestingMessage>& messages) {
  std::vector<uint64_t> found;
  for (const RestingMessage& message : messages) found.push_back(message.id.value);
  return found;
}

// Due at `now`, in the order in which one call gives it.
inline std::vector<uint64_t> due_ids(Index& index, int64_t now, size_t limit = 1000) {
  std::vector<RestingMessage> due;
  DuePosition position;
  if (auto read = index.next_due(now, limit, any_number, position, due); !read) FAIL(read.error().text);
  return ids(due);
}

inline std::vector<RestingMessage> list_all(Index& index, size_t slice = 1000) {
  std::vector<RestingMessage> all;
  for (size_t before = 1; before != all.size();) {
    before = all.size();
    const QueueId from{all.empty() ? 0 : all.back().id.value + 1};
    if (auto listed = index.list(from, slice, all); !listed) FAIL(listed.error().text);
    if (all.empty()) break;
  }
  return all;
}

// All tables must tell the same, and what is due must be given.
inline void check_whole(Index& index) {
  CHECK(index.disagreements() == std::vector<std::string>());
  std::vector<QueueId> taken_list;
  REQUIRE(index.list_taken({}, SIZE_MAX, taken_list));
  const std::set<QueueId> taken(taken_list.begin(), taken_list.end());
  std::set<uint64_t> due;
  const auto messages = list_all(index);
  for (const RestingMessage& message : messages)
    if (!taken.contains(message.id) && !ready_keys(message).empty()) due.insert(message.id.value);
  std::vector<Index::Domain> found;
  REQUIRE(index.list_domains("", SIZE_MAX, found));
  uint32_t first_wake = UINT32_MAX;
  for (const Index::Domain& domain : found) first_wake = std::min(first_wake, domain.row.wake());
  const auto wake = index.next_wake();
  REQUIRE(wake);
  CHECK((wake.value() == (found.empty() ? std::nullopt : std::optional<int64_t>(first_wake))));
  const auto given = due_ids(index, UINT32_MAX, SIZE_MAX / 2);
  CHECK((std::set<uint64_t>(given.begin(), given.end()) == due));
  CHECK(given.size() == due.size());
  CHECK((index.messages() == messages.size()));
}

}  // namespace hikyaku::queue
