// From a frame to the message that its type says.
#include <catch2/catch.hpp>

#include "ipc/channel.h"
#include "ipc/messages.h"

using namespace hikyaku::ipc;

TEST_CASE("dispatch finds the message by its type, and refuses strangers and malformed ones") {
  std::string payload;
  encode(Ping{5}, payload);
  uint64_t seen = 0;
  const auto visit = [&]<class M>(const M& message) { seen = message.number + (std::same_as<M, Pong> ? 100 : 0); };
  CHECK((dispatch<Pong, Ping>(Frame{Ping::kType, payload, {}}, visit)));
  CHECK(seen == 5);
  CHECK((dispatch<Pong, Ping>(Frame{Pong::kType, payload, {}}, visit)));
  CHECK(seen == 105);
  seen = 0;
  CHECK_FALSE((dispatch<Pong, Ping>(Frame{999, payload, {}}, visit)));
  CHECK_FALSE((dispatch<Pong, Ping>(Frame{Ping::kType, std::string_view(payload).substr(1), {}}, visit)));
  CHECK(seen == 0);
}
