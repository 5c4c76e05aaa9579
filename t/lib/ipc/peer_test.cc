// Links and servers: greetings, peers of another version, and coming back after the other end died.
#include "ipc/peer.h"

#include <stdlib.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <memory>

#include "net/socket.h"

using namespace hikyaku;
using namespace hikyaku::ipc;
using namespace std::chrono_literals;

namespace {

struct Folder {
  Folder() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
  ~Folder() {
    ::unlink(socket().c_str());
    ::rmdir(path.c_str());
  }
  std::string socket() const { return path + "/socket"; }
  std::string path = "/tmp/hikyaku-ipc-XXXXXX";
};

struct Fixture {
  std::unique_ptr<Server> serve() {
    auto fd = net::listen_unix(folder.socket());
    if (!fd) FAIL(fd.error().text);
    return std::make_unique<Server>(
        loop, std::move(*fd), hello_of(Role::kCleanup),
        Server::Callbacks{.arrived = [this](Peer& peer) { roles.push_back(peer.hello.role); },
                          .frame =
                              [this](Peer& peer, Frame& frame) {
                                peer.channel->send(Pong{7});
                                ++frames;
                                return frame.type == Ping::kType;
                              },
                          .gone = [this](Peer&, const std::string& why) { reasons.push_back(why); }});
  }
  std::unique_ptr<Link> link() {
    return std::make_unique<Link>(loop, folder.socket(), hello_of(Role::kQmgr),
                                  Link::Callbacks{.up =
                                                      [this](Channel& channel) {
                                                        ++ups;
                                                        channel.send(Ping{1});
                                                      },
                                                  .frame =
                                                      [this](Channel&, Frame& frame) {
                                                        ++answers;
                                                        return frame.type == Pong::kType;
                                                      },
                                                  .down =
                                                      [this](const std::string& why) {
                                                        ++downs;
                                                        down_reason = why;
                                                      }});
  }
  void run_until(const std::function<bool()>& done) {
    event::Timer guard(loop, [&] {
      loop.stop();
      FAIL_CHECK("it did not happen");
    });
    guard.set(3s);
    loop.after_every_turn([&] {
      if (done()) loop.stop();
    });
    loop.run();
    loop.after_every_turn({});
  }

  Folder folder;
  event::Loop loop;
  std::vector<Role> roles;
  std::vector<std::string> reasons;
  int ups = 0, downs = 0, frames = 0, answers = 0;
  std::string down_reason;
};

}  // namespace

TEST_CASE("both ends know each other before the first frame is handed on") {
  Fixture f;
  const auto server = f.serve();
  const auto link = f.link();
  CHECK(link->channel() == nullptr);
  f.run_until([&] { return f.answers == 1; });
  CHECK(f.roles == std::vector<Role>{Role::kQmgr});
  CHECK(link->peer().role == Role::kCleanup);
  CHECK(link->peer().pid == ::getpid());
  REQUIRE(link->channel() != nullptr);
  int peers = 0;
  server->each([&](Peer&) { ++peers; });
  CHECK(peers == 1);
}

TEST_CASE("a link comes up when its server does, and again after the server was gone") {
  Fixture f;
  const auto link = f.link();
  auto server = f.serve();
  f.run_until([&] { return f.ups == 1; });
  server.reset();
  f.run_until([&] { return f.downs == 1; });
  CHECK(link->channel() == nullptr);
  CHECK_FALSE(f.down_reason.empty());
  server = f.serve();
  f.run_until([&] { return f.ups == 2; });
  CHECK(f.downs == 1);
}

TEST_CASE("a link that was closed stays closed, and the server is told once") {
  Fixture f;
  const auto server = f.serve();
  const auto link = f.link();
  f.run_until([&] { return f.answers == 1; });
  link->close();
  CHECK(link->channel() == nullptr);
  f.run_until([&] { return f.reasons.size() == 1; });
  event::Timer end(f.loop, [&] { f.loop.stop(); });
  end.set(50ms);
  f.loop.run();
  CHECK(f.ups == 1);
  CHECK(f.downs == 0);
  CHECK(f.reasons.size() == 1);
}

TEST_CASE("who does not greet, or greets in another version, is hung up on and never told of") {
  Fixture f;
  const auto server = f.serve();
  struct Stranger final : ChannelHandler {
    bool on_frame(Channel&, Frame&) override { return true; }
    void on_closed(Channel&, const std::string&) override { closed = true; }
    bool closed = false;
  };
  Stranger silent, old;
  auto first = net::connect_unix(f.folder.socket()), second = net::connect_unix(f.folder.socket());
  REQUIRE((first && second));
  Channel one(f.loop, std::move(*first), silent), two(f.loop, std::move(*second), old);
  one.send(Ping{1});
  Hello hello = hello_of(Role::kQmgr);
  ++hello.version;
  two.send(hello);
  f.run_until([&] { return silent.closed && old.closed; });
  CHECK(f.roles.empty());
  CHECK(f.reasons.empty());
  CHECK(f.frames == 0);
}

TEST_CASE("a peer whose frame is not understood goes, the others stay") {
  Fixture f;
  const auto server = f.serve();
  const auto good = f.link(), bad = f.link();
  f.run_until([&] { return f.answers == 2; });
  bad->channel()->send(Pong{1});
  f.run_until([&] { return f.reasons.size() == 1; });
  CHECK(f.reasons[0].find("malformed or unexpected frame of type") != std::string::npos);
  good->channel()->send(Ping{2});
  f.run_until([&] { return f.answers >= 3; });
  CHECK(good->channel() != nullptr);
}
