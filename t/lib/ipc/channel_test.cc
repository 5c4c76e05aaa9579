// Channels over a pair of sockets: frames, descriptors, held memory, and peers that misbehave or die.
#include "ipc/channel.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <cstring>
#include <functional>
#include <memory>

#include "ipc/messages.h"

using namespace hikyaku;
using namespace hikyaku::ipc;
using namespace std::chrono_literals;

namespace {

std::pair<os::UniqueFd, os::UniqueFd> socket_pair() {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
  return {os::UniqueFd(ends[0]), os::UniqueFd(ends[1])};
}

// A frame as it goes over the socket.
std::string raw_frame(uint16_t type, std::string_view payload, uint16_t descriptors = 0) {
  std::string bytes;
  encode(static_cast<uint32_t>(payload.size()), bytes);
  encode(type, bytes);
  encode(descriptors, bytes);
  return bytes.append(payload);
}
template <class Message>
std::string raw_frame(const Message& message) {
  std::string payload;
  encode(message, payload);
  return raw_frame(Message::kType, payload);
}

// One end with its channel.
struct End final : ChannelHandler {
  End(event::Loop& loop, os::UniqueFd fd, ChannelLimits limits = {})
      : channel(std::make_unique<Channel>(loop, std::move(fd), *this, limits)) {}

  bool on_frame(Channel&, Frame& frame) override {
    types.push_back(frame.type);
    payloads.emplace_back(frame.payload);
    views.push_back(frame.payload);
    for (os::UniqueFd& fd : frame.descriptors) descriptors.push_back(std::move(fd));
    return !on_each || on_each();
  }
  void on_closed(Channel&, const std::string& why) override {
    ++closings;
    reason = why;
    channel.reset();
    reason_after = why;  // still good, although the channel is gone
  }

  std::unique_ptr<Channel> channel;
  std::vector<uint16_t> types;
  std::vector<std::string> payloads;
  std::vector<std::string_view> views;
  std::vector<os::UniqueFd> descriptors;
  std::function<bool()> on_each;
  int closings = 0;
  std::string reason, reason_after;
};

void run_until(event::Loop& loop, const std::function<bool()>& done) {
  event::Timer guard(loop, [&] {
    loop.stop();
    FAIL_CHECK("it did not happen");
  });
  guard.set(2s);
  loop.after_every_turn([&] {
    if (done()) loop.stop();
  });
  loop.run();
  loop.after_every_turn({});
}

void run_for(event::Loop& loop, event::Duration time) {
  event::Timer end(loop, [&] { loop.stop(); });
  end.set(time);
  loop.run();
}

void write_to(int fd, std::string_view bytes) {
  REQUIRE(::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
}

// Sends bytes with descriptors, whatever a well-behaved channel would do.
void write_with_descriptors(int fd, std::string_view bytes, const std::vector<int>& descriptors) {
  iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  std::vector<char> control(CMSG_SPACE(descriptors.size() * sizeof(int)));
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
  std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size() * sizeof(int));
  REQUIRE(::sendmsg(fd, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
}

os::UniqueFd memory_with(std::string_view text) {
  os::UniqueFd fd(::memfd_create("test", MFD_CLOEXEC));
  REQUIRE(::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  return fd;
}
std::string text_in(const os::UniqueFd& fd) {
  char text[64];
  const ssize_t n = ::pread(fd.get(), text, sizeof text, 0);
  return {text, static_cast<size_t>(std::max<ssize_t>(n, 0))};
}

struct Pair {
  explicit Pair(ChannelLimits limits = {}) : Pair(socket_pair(), limits) {}
  Pair(std::pair<os::UniqueFd, os::UniqueFd> fds, ChannelLimits limits)
      : a(loop, std::move(fds.first), limits), b(loop, std::move(fds.second), limits) {}
  event::Loop loop;
  End a, b;
};

// A channel at one end, bytes at the other.
struct Raw {
  explicit Raw(ChannelLimits limits = {}) : Raw(socket_pair(), limits) {}
  Raw(std::pair<os::UniqueFd, os::UniqueFd> fds, ChannelLimits limits)
      : raw(std::move(fds.first)), end(loop, std::move(fds.second), limits) {}
  event::Loop loop;
  os::UniqueFd raw;
  End end;
};

}  // namespace

TEST_CASE("frames arrive in order, and those of a turn go out together") {
  Pair p;
  for (uint64_t i = 0; i < 100; ++i) p.a.channel->send(Ping{i});
  CHECK(p.a.channel->waiting() == 100 * 16);  // nothing before the turn's end
  run_until(p.loop, [&] { return p.b.types.size() == 100; });
  for (uint64_t i = 0; i < 100; ++i) {
    Ping ping;
    REQUIRE(decode_all(std::string_view(p.b.payloads[i]), ping));
    CHECK(ping.number == i);
    CHECK(p.b.types[i] == Ping::kType);
  }
  CHECK(p.a.channel->waiting() == 0);
}

TEST_CASE("frames are taken up whole when they come byte by byte") {
  Raw r;
  const std::string frames = raw_frame(Ping{7}) + raw_frame(1, "") + raw_frame(CannotRun{"reason", 75});
  for (const char c : frames) {
    write_to(r.raw.get(), std::string_view(&c, 1));
    run_for(r.loop, 50us);
  }
  run_until(r.loop, [&] { return r.end.types.size() == 3; });
  CHECK(r.end.types == std::vector<uint16_t>{Ping::kType, 1, CannotRun::kType});
  CHECK(r.end.payloads[1].empty());
  CannotRun last;
  REQUIRE(decode_all(std::string_view(r.end.payloads[2]), last));
  CHECK(last.reason == "reason");
}

TEST_CASE("a frame larger than the input buffer and the socket arrives whole, and smaller ones after it") {
  Pair p;
  std::string big(3 << 20, '\0');
  for (size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>(i * 7 / 5);
  p.a.channel->send(Submit{1, 0, "envelope", big});
  p.a.channel->send(Ping{1});
  run_until(p.loop, [&] { return p.b.types.size() == 2; });
  Submit submit;
  REQUIRE(decode_all(std::string_view(p.b.payloads[0]), submit));
  CHECK(submit.content == big);
  CHECK(p.b.types[1] == Ping::kType);
}

TEST_CASE("a frame of the longest length is taken, one byte more closes the channel") {
  Raw fits({.frame = 100}), over({.frame = 100});
  write_to(fits.raw.get(), raw_frame(9, std::string(100, 'x')));
  run_until(fits.loop, [&] { return fits.end.types.size() == 1; });
  write_to(over.raw.get(), raw_frame(8, "good") + raw_frame(9, std::string(101, 'x')) + raw_frame(8, "too late"));
  run_until(over.loop, [&] { return over.end.closings == 1; });
  CHECK(over.end.payloads == std::vector<std::string>{"good"});
  CHECK(over.end.reason == "frame of type 9 with 101 bytes is too long");
}

TEST_CASE("a length of 4 GiB is refused before any memory is taken for it") {
  Raw r;
  write_to(r.raw.get(), std::string("\xFF\xFF\xFF\xFF\x01\0\0\0", 8));
  run_until(r.loop, [&] { return r.end.closings == 1; });
  CHECK(r.end.types.empty());
}

TEST_CASE("a frame that is not understood closes its channel and no other") {
  event::Loop loop;
  auto one = socket_pair(), two = socket_pair();
  End bad(loop, std::move(one.second)), good(loop, std::move(two.second));
  bad.on_each = [&] { return bad.types.back() == Ping::kType; };
  write_to(one.first.get(), raw_frame(Ping{1}) + raw_frame(999, "?") + raw_frame(Ping{2}));
  write_to(two.first.get(), raw_frame(Ping{3}));
  run_until(loop, [&] { return bad.closings == 1 && good.types.size() == 1; });
  CHECK(bad.types == std::vector<uint16_t>{Ping::kType, 999});
  CHECK(bad.reason == "malformed or unexpected frame of type 999");
  CHECK(bad.reason_after == bad.reason);
  write_to(two.first.get(), raw_frame(Ping{4}));
  run_until(loop, [&] { return good.types.size() == 2; });
  CHECK(good.closings == 0);
}

TEST_CASE("descriptors arrive with their own frame") {
  Pair p;
  const os::UniqueFd one = memory_with("one"), two = memory_with("two"), three = memory_with("three");
  p.a.channel->send(Ping{1});
  p.a.channel->send(OpenSegment{1, 2}, one.get());
  p.a.channel->send(Ping{2});
  const int both[] = {two.get(), three.get()};
  p.a.channel->send(OpenSegment{2, 2}, std::span<const int>(both));
  p.a.channel->send(Ping{3});
  std::vector<size_t> counts;
  p.b.on_each = [&] {
    counts.push_back(p.b.descriptors.size());
    return true;
  };
  run_until(p.loop, [&] { return p.b.types.size() == 5; });
  CHECK(counts == std::vector<size_t>{0, 1, 1, 3, 3});
  CHECK(text_in(p.b.descriptors[0]) == "one");
  CHECK(text_in(p.b.descriptors[1]) == "two");
  CHECK(text_in(p.b.descriptors[2]) == "three");
}

TEST_CASE("a descriptor may be closed as soon as it was sent, and is not lost behind a full socket") {
  Pair p;
  const std::string big(1 << 20, 'x');
  for (int i = 0; i < 8; ++i) {
    p.a.channel->send(Submit{1, 0, "", big});
    p.a.channel->send(OpenSegment{1, 2}, memory_with(std::to_string(i)).get());
  }
  run_until(p.loop, [&] { return p.b.types.size() == 16; });
  REQUIRE(p.b.descriptors.size() == 8);
  for (int i = 0; i < 8; ++i) CHECK(text_in(p.b.descriptors[static_cast<size_t>(i)]) == std::to_string(i));
}

TEST_CASE("a frame that claims descriptors which did not come closes the channel") {
  Raw r;
  write_to(r.raw.get(), raw_frame(OpenSegment::kType, "x", 1));
  run_until(r.loop, [&] { return r.end.closings == 1; });
  CHECK(r.end.types.empty());
  CHECK(r.end.reason.find("lacks its descriptors") != std::string::npos);
}

TEST_CASE("descriptors that no frame asks for are not gathered without bound") {
  Raw r;
  const os::UniqueFd fd = memory_with("x");
  const std::vector<int> many(32, fd.get());
  for (int i = 0; i < 3; ++i) write_with_descriptors(r.raw.get(), raw_frame(1, ""), many);
  run_until(r.loop, [&] { return r.end.closings == 1; });
  CHECK(r.end.reason == "too many descriptors");
}

TEST_CASE("a peer that goes away is told once, after the frames that it had sent") {
  Raw r;
  write_to(r.raw.get(), raw_frame(Ping{1}) + raw_frame(Ping{2}) + raw_frame(Ping{3}).substr(0, 11));
  r.raw.reset();
  run_until(r.loop, [&] { return r.end.closings == 1; });
  run_for(r.loop, 2ms);
  CHECK(r.end.types.size() == 2);
  CHECK(r.end.closings == 1);
  CHECK(r.end.reason == "closed by the peer");
}

TEST_CASE("sending to a peer that is gone ends the channel, not the process") {
  Raw r;
  r.end.channel->stop_reading();
  r.raw.reset();
  r.end.channel->send(Ping{1});
  run_until(r.loop, [&] { return r.end.closings == 1; });
  CHECK(r.end.reason.starts_with("write: "));
}

TEST_CASE("a peer that does not read closes the channel when too much waits for it") {
  Raw r({.frame = 4 << 20, .input = 64 << 10, .output = 1 << 20});
  const std::string half(512 << 10, 'x');
  r.end.channel->send(Submit{1, 0, "", half});
  run_for(r.loop, 1ms);
  CHECK(r.end.closings == 0);
  for (int i = 0; i < 4; ++i) r.end.channel->send(Submit{1, 0, "", half});
  run_until(r.loop, [&] { return r.end.closings == 1; });
  CHECK(r.end.reason == "the peer does not read");
}

TEST_CASE("a slow reader that never catches up gets everything in order") {
  Raw r;
  std::string seen, sent, piece(100'000, '\0');
  const std::string payload(50'000, 'y');
  const os::UniqueFd fd = memory_with("with it");
  for (uint64_t i = 0; i < 300; ++i) {
    r.end.channel->send(Submit{i, 0, "", payload});
    sent += raw_frame(Submit{i, 0, "", payload});
    run_for(r.loop, 10us);
    // Reads a little less than comes, so that something waits all the time.
    if (const ssize_t n = ::read(r.raw.get(), piece.data(), 45'000); n > 0)
      seen.append(piece, 0, static_cast<size_t>(n));
    if (i > 100) REQUIRE(r.end.channel->waiting() > 0);
  }
  run_until(r.loop, [&] {
    for (ssize_t n = 0; (n = ::read(r.raw.get(), piece.data(), piece.size())) > 0;)
      seen.append(piece, 0, static_cast<size_t>(n));
    return seen.size() >= sent.size();
  });
  CHECK(seen == sent);
}

TEST_CASE("held payloads stay where they are until they are released") {
  Raw r({.frame = 4 << 20, .input = 32 << 10, .output = 1 << 20});
  r.end.on_each = [&] {
    r.end.channel->hold();
    return true;
  };
  for (int i = 0; i < 60; ++i) {
    write_to(r.raw.get(), raw_frame(1, std::string(5000, static_cast<char>('A' + i))));
    run_for(r.loop, 20us);
  }
  run_until(r.loop, [&] { return r.end.views.size() == 60; });
  for (size_t i = 0; i < 60; ++i) CHECK(r.end.views[i] == r.end.payloads[i]);
  r.end.channel->release();
  r.end.on_each = {};
  write_to(r.raw.get(), raw_frame(2, "after"));
  run_until(r.loop, [&] { return r.end.types.size() == 61; });
  CHECK(r.end.payloads.back() == "after");
}

TEST_CASE("a channel may be held and released inside its handler, with a frame cut in two behind it") {
  Raw r({.frame = 4 << 20, .input = 32 << 10, .output = 1 << 20});
  r.end.on_each = [&] {
    r.end.channel->hold();
    r.end.channel->release();
    return true;
  };
  const std::string big(2 << 20, 'b');  // more than is kept after a release
  const std::string frames = raw_frame(1, "first") + raw_frame(2, big) + raw_frame(3, "third") + raw_frame(4, big);
  size_t at = 0;
  event::Watch writer(r.loop, r.raw.get(), event::Watch::Interest::kWrite, [&] {
    const ssize_t n =
        ::send(r.raw.get(), frames.data() + at, std::min<size_t>(frames.size() - at, 70'001), MSG_NOSIGNAL);
    if (n > 0) at += static_cast<size_t>(n);
    if (at == frames.size()) writer.disable();
  });
  writer.enable();
  run_until(r.loop, [&] { return r.end.types.size() == 4; });
  CHECK(r.end.payloads[0] == "first");
  CHECK(r.end.payloads[1] == big);
  CHECK(r.end.payloads[2] == "third");
  CHECK(r.end.payloads[3] == big);
}

TEST_CASE("a channel may be destroyed while it handles a frame, with others behind it") {
  for (const bool understood : {true, false}) {
    Raw r;
    r.end.on_each = [&] {
      r.end.channel.reset();
      return understood;
    };
    write_to(r.raw.get(), raw_frame(Ping{1}) + raw_frame(Ping{2}));
    run_until(r.loop, [&] { return !r.end.channel; });
    run_for(r.loop, 1ms);
    CHECK(r.end.types.size() == 1);
    CHECK(r.end.closings == 0);
  }
}

TEST_CASE("reading can be stopped and started again, but not on a channel that failed") {
  Raw r;
  r.end.channel->stop_reading();
  write_to(r.raw.get(), raw_frame(Ping{1}));
  run_for(r.loop, 2ms);
  CHECK(r.end.types.empty());
  r.end.channel->start_reading();
  run_until(r.loop, [&] { return r.end.types.size() == 1; });
  r.end.on_each = [&] {
    r.loop.stop();
    return false;
  };
  write_to(r.raw.get(), raw_frame(999, ""));
  run_until(r.loop, [&] { return r.end.closings == 1; });
}
