// Frames that wait for the log.
#include "cleanup/deferred_frames.h"

#include <sys/socket.h>
#include <catch2/catch.hpp>

#include <memory>
#include <string>

#include "ipc/messages.h"

using namespace hikyaku;
using namespace hikyaku::cleanup;
using namespace std::chrono_literals;

namespace {

// A peer, and the daemon at its other end.
struct Sender final : ipc::ChannelHandler {
  explicit Sender(event::Loop& of_both) : loop(of_both) {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    peer.channel = std::make_unique<ipc::Channel>(loop, os::UniqueFd(ends[0]), *this, ipc::ChannelLimits{});
    daemon = std::make_unique<ipc::Channel>(loop, os::UniqueFd(ends[1]), *this, ipc::ChannelLimits{});
  }
  bool on_frame(ipc::Channel&, ipc::Frame&) override {
    ++heard;
    return true;
  }
  void on_closed(ipc::Channel&, const std::string&) override {}

  int heard_of_one_more() {
    heard = 0;
    daemon->send(ipc::IndexRoom{true});
    event::Timer enough(loop, [this] { loop.stop(); });
    enough.set(20ms);
    loop.run();
    return heard;
  }

  event::Loop& loop;
  ipc::Peer peer;
  std::unique_ptr<ipc::Channel> daemon;
  int heard = 0;
};

ipc::Frame frame_of(uint16_t type, std::string_view payload) { return {type, payload, {}}; }

}  // namespace

TEST_CASE("frames come back in their order, whole, and stay good while others come and go") {
  ipc::Peer one, other;
  DeferredFrames deferred;
  std::string payload = "first";
  deferred.add(one, frame_of(ipc::Submit::kType, payload), 1000);
  payload = "xxxxx";  // the copy is not the channel's memory
  deferred.add(other, frame_of(ipc::FreeSegment::kType, "second"), 1000);

  const auto& first = deferred.take_first();
  const std::string_view seen = first.payload;
  for (int i = 0; i < 1000; ++i) deferred.add(one, frame_of(ipc::Submit::kType, std::to_string(i)), 1 << 20);
  const auto& second = deferred.take_first();
  CHECK(first.from == &one);
  CHECK(seen == "first");
  CHECK(second.from == &other);
  CHECK(second.type == ipc::FreeSegment::kType);
  CHECK(second.payload == "second");
  deferred.release();
  CHECK(deferred.take_first().payload == "0");
}

TEST_CASE("only frames that bring mail count as messages that wait") {
  ipc::Peer peer;
  DeferredFrames deferred;
  CHECK(deferred.empty());
  deferred.add(peer, frame_of(ipc::Submit::kType, "a"), 1000);
  deferred.add(peer, frame_of(ipc::BodyDone::kType, "b"), 1000);
  deferred.add(peer, frame_of(ipc::FreeBody::kType, "c"), 1000);
  CHECK(deferred.messages() == 2);
  deferred.take_first();
  CHECK(deferred.messages() == 1);
  deferred.take_first();
  CHECK(deferred.messages() == 0);
  CHECK_FALSE(deferred.empty());
}

TEST_CASE("who sends more than may wait is not read until there is time for it") {
  event::Loop loop;
  Sender greedy(loop), modest(loop);
  DeferredFrames deferred;
  deferred.add(modest.peer, frame_of(ipc::Submit::kType, std::string(60, 'm')), 100);
  deferred.add(greedy.peer, frame_of(ipc::Submit::kType, std::string(60, 'g')), 100);
  CHECK(modest.heard_of_one_more() == 1);
  CHECK(greedy.heard_of_one_more() == 0);

  SECTION("and then it is") {
    deferred.resume_reading();
    CHECK(greedy.heard_of_one_more() == 2);
  }
  SECTION("unless it has gone") {
    deferred.forget(greedy.peer);
    greedy.peer.channel.reset();
    deferred.resume_reading();
    CHECK(modest.heard_of_one_more() == 1);
  }
}
