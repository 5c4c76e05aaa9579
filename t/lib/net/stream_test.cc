// A stream over a pair of sockets: order, backpressure, the end, and being destroyed inside a callback.
#include "net/stream.h"

#include <sys/socket.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <memory>

using namespace hikyaku;
using namespace std::chrono_literals;

namespace {

// A stream at one end; the other end is the test's.
struct Fixture final : net::StreamHandler {
  explicit Fixture(int buffer = 0) {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    if (buffer > 0) ::setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    peer.reset(ends[1]);
    stream = std::make_unique<net::Stream>(loop, os::UniqueFd(ends[0]), *this);
  }

  void on_bytes(std::string_view bytes) override {
    received += bytes;
    happened("bytes");
  }
  void on_closed(int number) override {
    error = number;
    happened("closed");
  }
  void on_drained() override { happened("drained"); }
  void on_deadline() override { happened("deadline"); }

  void happened(const std::string& what) {
    events.push_back(what);
    if (what == destroy_at) stream.reset();
    if (what == stop_at) loop.stop();
  }

  // Runs until `what` happened.
  void run_until(const std::string& what) {
    stop_at = what;
    event::Timer guard(loop, [&] {
      loop.stop();
      FAIL_CHECK("there was no " << what);
    });
    guard.set(2s);
    loop.run();
  }
  void run_for(event::Duration time) {
    event::Timer end(loop, [&] { loop.stop(); });
    end.set(time);
    loop.run();
  }
  std::string read_peer() {
    std::string all, piece(1 << 16, '\0');
    for (ssize_t n = 0; (n = ::read(peer.get(), piece.data(), piece.size())) > 0;)
      all.append(piece, 0, static_cast<size_t>(n));
    return all;
  }
  void write_peer(std::string_view text) {
    REQUIRE(::write(peer.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }

  event::Loop loop;
  os::UniqueFd peer;
  std::unique_ptr<net::Stream> stream;
  std::string received, destroy_at, stop_at;
  std::vector<std::string> events;
  int error = -1;
};

}  // namespace

TEST_CASE("nothing is read before start_reading() and after stop_reading()") {
  Fixture f;
  f.write_peer("one");
  f.run_for(2ms);
  CHECK(f.received.empty());
  f.stream->start_reading();
  f.run_until("bytes");
  CHECK(f.received == "one");
  f.stream->stop_reading();
  f.write_peer("two");
  f.run_for(2ms);
  CHECK(f.received == "one");
}

TEST_CASE("pieces go out in order and at once when the socket takes them") {
  Fixture f;
  const std::string_view pieces[] = {"250-a\r\n", "", "250 b\r\n"};
  f.stream->send(pieces);
  CHECK(f.stream->waiting() == 0);
  CHECK(f.read_peer() == "250-a\r\n250 b\r\n");
  f.run_for(1ms);
  CHECK(f.events.empty());  // nothing had to wait, so nothing was drained
}

TEST_CASE("more pieces than one system call takes go out too") {
  Fixture f;
  const std::vector<std::string_view> pieces(40, "ab");
  f.stream->send(pieces);
  f.run_until("drained");
  std::string all;
  for (const auto piece : pieces) all += piece;
  CHECK(f.read_peer() == all);
}

TEST_CASE("what the socket does not take waits, keeps its order, and is told when it is gone") {
  Fixture f(4096);
  std::string sent, seen;
  for (int i = 0; i < 2000; ++i) {
    const std::string line = "line " + std::to_string(i) + " of many that a slow reader has to take\r\n";
    const std::string_view halves[] = {std::string_view(line).substr(0, 7), std::string_view(line).substr(7)};
    f.stream->send(halves);
    sent += line;
  }
  CHECK(f.stream->waiting() > 0);
  event::Watch reader(f.loop, f.peer.get(), event::Watch::Interest::kRead, [&] { seen += f.read_peer(); });
  reader.enable();
  f.run_until("drained");
  seen += f.read_peer();
  CHECK(seen == sent);
  CHECK(f.stream->waiting() == 0);
  CHECK(f.events == std::vector<std::string>{"drained"});
}

TEST_CASE("the peer's end is told once, after its last bytes") {
  Fixture f;
  f.stream->start_reading();
  f.write_peer("QUIT\r\n");
  f.peer.reset();
  f.run_until("closed");
  f.run_for(2ms);
  CHECK(f.received == "QUIT\r\n");
  CHECK(f.events == std::vector<std::string>{"bytes", "closed"});
  CHECK(f.error == 0);
}

TEST_CASE("a send that fails is told at the turn's end, never inside send()") {
  Fixture f;
  f.peer.reset();
  f.stream->send("x");
  f.stream->send("y");
  CHECK(f.events.empty());
  f.run_until("closed");
  f.run_for(1ms);
  CHECK(f.error == EPIPE);
  CHECK(f.events == std::vector<std::string>{"closed"});
  CHECK(f.stream->waiting() == 0);
}

TEST_CASE("a stream may be destroyed inside each of its callbacks") {
  SECTION("bytes") {
    Fixture f;
    f.destroy_at = "bytes";
    f.stream->start_reading();
    f.write_peer("x");
    f.run_until("bytes");
    f.run_for(1ms);
  }
  SECTION("closed by the peer") {
    Fixture f;
    f.destroy_at = "closed";
    f.stream->start_reading();
    f.peer.reset();
    f.run_until("closed");
  }
  SECTION("closed by a failed send") {
    Fixture f;
    f.destroy_at = "closed";
    f.peer.reset();
    f.stream->send("x");
    f.run_until("closed");
  }
  SECTION("drained") {
    Fixture f(4096);
    f.destroy_at = "drained";
    f.stream->send(std::string(1 << 20, 'x'));
    event::Watch reader(f.loop, f.peer.get(), event::Watch::Interest::kRead, [&] { f.read_peer(); });
    reader.enable();
    f.run_until("drained");
  }
  SECTION("deadline") {
    Fixture f;
    f.destroy_at = "deadline";
    f.stream->set_deadline(1ms);
    f.run_until("deadline");
  }
  SECTION("connection made") {
    Fixture f;
    f.stream->await_connection([&](int number) {
      f.error = number;
      f.stream.reset();
      f.loop.stop();
    });
    f.loop.run();
    CHECK(f.error == 0);
  }
}

TEST_CASE("a stream destroyed after a failed send is not told of it") {
  Fixture f;
  f.peer.reset();
  f.stream->send("x");
  f.stream.reset();
  f.run_for(1ms);
  CHECK(f.events.empty());
}

TEST_CASE("a deadline that was cancelled or moved on is not told") {
  Fixture f;
  f.stream->set_deadline(1ms);
  f.stream->set_deadline(500ms);
  f.run_for(3ms);
  f.stream->set_deadline(1ms);
  f.stream->cancel_deadline();
  f.run_for(3ms);
  CHECK(f.events.empty());
}
