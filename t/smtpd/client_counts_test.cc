// What is counted of each client.
#include "smtpd/client_counts.h"

#include <catch2/catch.hpp>

using namespace hikyaku;
using namespace hikyaku::smtpd;
using std::chrono::seconds;

namespace {

ClientKey key(std::string_view host) { return client_key(*net::Address::parse(host, 25)); }
const ClientKey kAnn = key("192.0.2.1"), kBob = key("192.0.2.2");
const ClientCounts::Time kStart{seconds(1000)};

}  // namespace

TEST_CASE("a client is an IPv4 address in any form, or an IPv6 network of 84 bits") {
  CHECK(kAnn != kBob);
  CHECK(key("::ffff:192.0.2.1") == kAnn);
  CHECK(key("2001:db8:1:2:3:4:5:6") == key("2001:db8:1:2:3:fff::"));
  CHECK(key("2001:db8:1:2:3:1000::") != key("2001:db8:1:2:3::"));
  CHECK(key("2001:db8:1:2:4::") != key("2001:db8:1:2:3::"));
}

TEST_CASE("connections of each client are counted as long as they last") {
  ClientCounts counts({50, 0, 0});
  {
    CHECK(counts.arrived(kAnn, kStart).now == 1);
    const ConnectedClient first(counts, kAnn);
    CHECK(counts.arrived(kBob, kStart).now == 1);
    const ConnectedClient other(counts, kBob);
    CHECK(counts.arrived(kAnn, kStart).now == 2);
    const ConnectedClient second(counts, kAnn);
    CHECK(counts.clients() == 2);
  }
  CHECK(counts.clients() == 0);
  CHECK(counts.arrived(kAnn, kStart).now == 1);
}

TEST_CASE("rates are counted in a minute that begins with a client's first event") {
  ClientCounts counts({0, 5, 5});
  for (unsigned i = 1; i <= 3; ++i) {
    CHECK(counts.arrived(kAnn, kStart + seconds(i)).this_minute == i);
    counts.left(kAnn);
  }
  CHECK(counts.message(kAnn, kStart + seconds(60)) == 1);
  CHECK(counts.message(kBob, kStart + seconds(60)) == 1);
  CHECK(counts.message(kAnn, kStart + seconds(60)) == 2);
  CHECK(counts.arrived(kAnn, kStart + seconds(61)).this_minute == 1);
  CHECK(counts.message(kAnn, kStart + seconds(61)) == 1);
  CHECK(counts.message(kBob, kStart + seconds(61)) == 2);
}

TEST_CASE("who has gone is forgotten after a minute, who is there is not") {
  ClientCounts counts({50, 5, 0});
  for (int i = 0; i < 200; ++i) {
    const ClientKey client = key("198.51.100." + std::to_string(i));
    counts.arrived(client, kStart);
    counts.left(client);
  }
  counts.arrived(kAnn, kStart);
  CHECK(counts.clients() == 201);
  counts.arrived(kBob, kStart + seconds(60));
  CHECK(counts.clients() == 2);
  CHECK(counts.arrived(kAnn, kStart + seconds(60)).now == 2);
}
