// Lists of networks: what is read, what is refused, who is in one.
#include "net/network_list.h"

#include <sys/un.h>

#include <catch2/catch.hpp>

using namespace hikyaku::net;

namespace {

Address address(std::string_view text) {
  const auto parsed = Address::parse(text, 25);
  if (!parsed) FAIL("not an address: " << text);
  return *parsed;
}

NetworkList list(std::string_view text) {
  auto parsed = NetworkList::parse(text);
  if (!parsed) FAIL(parsed.error().text);
  return *parsed;
}

}  // namespace

TEST_CASE("who is in a list of networks (rows 13-16)") {
  struct Row {
    const char *networks, *address;
    bool inside;
  };
  const Row rows[] = {{"127.0.0.0/8", "127.255.255.255", true},
                      {"127.0.0.0/8", "128.0.0.0", false},
                      {"127.0.0.0/8", "::1", false},
                      {"127.0.0.0/8, [::1]/128", "::1", true},
                      {"192.0.2.1", "192.0.2.1", true},
                      {"192.0.2.1", "192.0.2.2", false},
                      {"[192.0.2.1]", "192.0.2.1", true},
                      {"192.0.2.0/25", "192.0.2.127", true},
                      {"192.0.2.0/25", "192.0.2.128", false},
                      {"192.0.2.128/31", "192.0.2.129", true},
                      {"192.0.2.128/31", "192.0.2.130", false},
                      {"0.0.0.0/0", "203.0.113.9", true},
                      {"0.0.0.0/0", "2001:db8::1", false},
                      {"[::]/0", "2001:db8::1", true},
                      {"[::]/0", "203.0.113.9", false},
                      {"2001:db8::/33", "2001:db8:7fff::1", true},
                      {"2001:db8::/33", "2001:db8:8000::1", false},
                      {"[2001:db8::]/127", "2001:db8::1", true},
                      {"2001:db8::1", "2001:db8::1", true},
                      {"2001:db8::1", "2001:db8::2", false},
                      {"", "127.0.0.1", false}};
  for (const Row& row : rows) {
    CAPTURE(row.networks, row.address);
    CHECK(list(row.networks).contains(address(row.address)) == row.inside);
  }
}

TEST_CASE("an IPv4 client on a socket for both families is judged as the IPv4 client that it is") {
  CHECK(list("192.0.2.0/24").contains(address("::ffff:192.0.2.7")));
  CHECK_FALSE(list("192.0.2.0/24").contains(address("::ffff:192.0.3.7")));
  CHECK_FALSE(list("[::]/0").contains(address("::ffff:192.0.2.7")));
  // The same in a list.
  CHECK(list("[::ffff:192.0.2.0]/120").contains(address("192.0.2.7")));
  CHECK_FALSE(list("[::ffff:192.0.2.0]/120").contains(address("192.0.3.7")));
  CHECK(list("::ffff:192.0.2.7").contains(address("::ffff:192.0.2.7")));
}

TEST_CASE("the first match decides, so that a network can have exceptions") {
  const NetworkList networks = list("!192.0.2.7 192.0.2.0/24,!10.0.0.0/8\n10.1.1.1");
  CHECK(networks.contains(address("192.0.2.6")));
  CHECK_FALSE(networks.contains(address("192.0.2.7")));
  CHECK_FALSE(networks.contains(address("10.1.1.1")));
}

TEST_CASE("a network that is none is an error that quotes it, and nothing of the list counts") {
  for (const char* text : {"localhost", "192.0.2", "192.0.2.0/", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/+8",
                           "192.0.2.0/24/8", "192.0.2.0/ff", "[192.0.2.0/24]", "[::1", "::1]", "[::1]/129", "!",
                           "!!10.0.0.1", "/24", "[]/0", "hash:/etc/x", "192.0.2.0/18446744073709551640"}) {
    CAPTURE(text);
    const auto parsed = NetworkList::parse(std::string("127.0.0.0/8 ") + text);
    REQUIRE_FALSE(parsed.has_value());
    CHECK(parsed.error().permanent);
    CHECK(parsed.error().text.find(text) != std::string::npos);
  }
}

TEST_CASE("bits beyond the prefix are an error: the network was meant otherwise") {
  for (const char* text : {"192.0.2.1/24", "192.0.2.128/24", "10.0.0.1/0", "[2001:db8::1]/64", "2001:db8::1/127"}) {
    CAPTURE(text);
    const auto parsed = NetworkList::parse(text);
    REQUIRE_FALSE(parsed.has_value());
    CHECK(parsed.error().text.find(text) != std::string::npos);
  }
}

TEST_CASE("an address that is none, or of another family, is in no list") {
  sockaddr_un local{.sun_family = AF_UNIX, .sun_path = "x"};
  CHECK_FALSE(list("0.0.0.0/0 [::]/0").contains(Address(reinterpret_cast<sockaddr*>(&local), sizeof local)));
  CHECK_FALSE(list("0.0.0.0/0 [::]/0").contains(Address()));
}
