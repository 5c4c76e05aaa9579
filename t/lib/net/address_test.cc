// Addresses: what is read, how it is shown, what is refused.
#include "net/address.h"

#include <sys/un.h>

#include <catch2/catch.hpp>

using namespace hikyaku::net;

namespace {

Address address(std::string_view text, uint16_t port = 25) {
  const auto parsed = Address::parse(text, port);
  if (!parsed) FAIL("not an address: " << text);
  return *parsed;
}

}  // namespace

TEST_CASE("addresses are read and shown in their shortest form") {
  struct Row {
    const char *given, *host, *text;
  };
  const Row rows[] = {{"192.0.2.1", "192.0.2.1", "192.0.2.1:25"},
                      {"0.0.0.0", "0.0.0.0", "0.0.0.0:25"},
                      {"2001:DB8:0:0::1", "2001:db8::1", "[2001:db8::1]:25"},
                      {"::", "::", "[::]:25"},
                      {"IPv6:2001:db8::1", "2001:db8::1", "[2001:db8::1]:25"},
                      {"::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1:25"}};
  for (const Row& row : rows) {
    CAPTURE(row.given);
    CHECK(address(row.given).host() == row.host);
    CHECK(address(row.given).text() == row.text);
    CHECK(address(row.given).port() == 25);
  }
  CHECK(Address::any_ipv6(65535).text() == "[::]:65535");
}

TEST_CASE("what is no address in numbers is refused") {
  for (const char* text : {"", "localhost", "1.2.3", "1.2.3.4.5", "256.0.0.1", "1.2.3.4 ", " 1.2.3.4", "01.2.3.4x",
                           "1.2.3.4:25", "[::1]", "::g", ":::", "1::2::3", "fe80::1%eth0", "ipv6:", "ipv6:1.2.3.4"}) {
    CAPTURE(text);
    CHECK_FALSE(Address::parse(text, 25).has_value());
  }
  CHECK_FALSE(Address::parse(std::string_view("127.0.0.1\0.evil", 15), 25).has_value());
  CHECK_FALSE(Address::parse(std::string(10'000, '1'), 25).has_value());
}

TEST_CASE("an address that is none, or of another family, has neither host nor port") {
  CHECK(Address().host().empty());
  CHECK(Address().port() == 0);
  sockaddr_un local{.sun_family = AF_UNIX, .sun_path = "x"};
  const Address unix_address(reinterpret_cast<sockaddr*>(&local), sizeof local);
  CHECK(unix_address.host().empty());
}
