// The ledger over a log of which a segment cannot be read without its header.
#include <catch2/catch.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "qmgr/ledger.h"
#include "queue/body_format.h"
#include "t/qmgr/small_queue.h"

using namespace hikyaku;
using namespace hikyaku::qmgr;

namespace {

// Neither header nor first record tells the nonce any more.
void lose_front(const SmallQueue& queue, uint32_t segment) {
  std::fstream file(queue.log_folder() + "/" + queue::numbered_name("", segment),
                    std::ios::in | std::ios::out | std::ios::binary);
  file << std::string(queue::kSegmentHeaderSize + queue::kRecordHeaderSize, 'x');
}

bool is_freeable(SmallQueue& queue, uint32_t segment) {
  REQUIRE(queue.ledger().sync());
  return std::ranges::count(queue.ledger().freeable_segments(), segment) > 0;
}

}  // namespace

TEST_CASE("of a segment that was set aside all is found that is known by its place, and no body goes") {
  SmallQueue queue;
  const queue::QueueId lost = queue.add(envelope()).id, whole = queue.add(envelope()).id;
  const uint32_t segment = queue.ledger().find(lost)->place.segment;
  fill_segment(queue);
  REQUIRE(queue.ledger().sync());
  const std::string body = queue.log_folder() + "/" + queue::body_name(queue::QueueId{whole.value + 1});
  std::ofstream(body) << "of a message that nobody knows";
  lose_front(queue, segment);
  for (int round = 0; round < 2; ++round) {
    CAPTURE(round);
    queue.cut_power_and_restart();
    CHECK(queue.reader().set_aside() == std::vector<uint32_t>{segment});
    CHECK(queue.ledger().find(lost) == nullptr);
    REQUIRE(queue.ledger().find(whole) != nullptr);
    CHECK(queue.ledger().freeable_bodies().empty());
    const auto damage = queue.take_damage();
    REQUIRE(damage.size() == 1);
    CHECK(damage[0].find(queue::to_text(lost)) != std::string::npos);
    for (const Ledger::SegmentUse& use : queue.ledger().use()) CHECK((use.number != segment || !use.is_movable));
    CHECK_FALSE(is_freeable(queue, segment));
  }
  // When an operator has removed the file, what is left over can go.
  queue.ledger().complete(*queue.ledger().find(whole));
  REQUIRE(queue.ledger().sync());
  REQUIRE(std::filesystem::remove(queue.log_folder() + "/" + queue::numbered_name(queue::kDamagedPrefix, segment)));
  queue.cut_power_and_restart();
  CHECK(queue.ledger().freeable_bodies() == std::vector<queue::QueueId>{{whole.value + 1}});
}

TEST_CASE("mail of which only a segment that was set aside tells is found, when anything tells the segment's nonce") {
  const bool is_known = GENERATE(true, false), in_index = GENERATE(true, false);
  SmallQueue queue;
  queue.add(envelope());
  const queue::QueueId resting = queue.add(envelope()).id;
  if (is_known) {
    Message& message = *queue.ledger().find(resting);
    queue.ledger().deferred(message, 0, 1, kArrival + 500);
    queue.ledger().rest(message);  // tells its place
    if (in_index) queue.settle_index();
  }
  REQUIRE(queue.ledger().sync());
  const queue::QueueId fresh = queue.write(envelope());
  const uint32_t segment = queue.writer().durable_end().segment;
  lose_front(queue, segment);
  queue.expect_log_damage();
  for (int round = 0; round < 2; ++round) {
    CAPTURE(round);
    queue.cut_power_and_restart();
    CHECK(queue.reader().set_aside() == std::vector<uint32_t>{segment});
    CHECK((queue.ledger().find(fresh) != nullptr) == is_known);
    CHECK(queue.ledger().look(resting).message.has_value() == is_known);
  }
}

TEST_CASE("a segment whose header became unreadable is kept until the writer sets it aside") {
  SmallQueue queue;
  const uint32_t segment = queue.writer().durable_end().segment;
  fill_segment(queue);
  REQUIRE(queue.ledger().sync());
  lose_front(queue, segment);
  queue.restart();
  for (const Ledger::SegmentUse& use : queue.ledger().use()) CHECK((use.number != segment || !use.is_movable));
  CHECK_FALSE(is_freeable(queue, segment));
  queue.cut_power_and_restart();
  CHECK(queue.reader().set_aside() == std::vector<uint32_t>{segment});
}
