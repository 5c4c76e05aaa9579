// Envelope addresses: what is accepted, what is refused, and what of it is kept.
#include "smtp/address.h"

#include <catch2/catch.hpp>

using namespace hikyaku;
using smtp::Address;

namespace {

std::string forward(std::string_view text, bool strict = false) {
  const util::Result<Address> address = smtp::take_forward_path(text, strict);
  return address ? address->mailbox + "|" + std::string(text) : "error: " + address.error().text;
}

std::string reverse(std::string_view text, bool strict = false) {
  const util::Result<Address> address = smtp::take_reverse_path(text, strict);
  return address ? address->mailbox + "|" + std::string(text) : "error: " + address.error().text;
}

bool is_refused(const std::string& outcome) { return outcome.starts_with("error: "); }

}  // namespace

TEST_CASE("a path gives its mailbox and leaves what follows") {
  CHECK(forward("<user@example.jp>") == "user@example.jp|");
  CHECK(forward("<user@example.jp> SIZE=3") == "user@example.jp| SIZE=3");
  CHECK(forward("<\"a b\"@example.jp> X") == "\"a b\"@example.jp| X");
  CHECK(forward("<\"a>\\\"b@c\"@example.jp> X") == "\"a>\\\"b@c\"@example.jp| X");
  CHECK(forward("<user@[192.0.2.1]>") == "user@[192.0.2.1]|");
  CHECK(forward("<user@[IPv6:2001:db8::1]>") == "user@[IPv6:2001:db8::1]|");
  CHECK(forward("<user@sub_domain.example.jp>") == "user@sub_domain.example.jp|");
}

TEST_CASE("characters beyond ASCII may stand in both parts of a mailbox (RFC 6531)") {
  CHECK(forward("<\xC3\xBCser@ex\xC3\xA4mple.jp> X") == "\xC3\xBCser@ex\xC3\xA4mple.jp| X");
  CHECK(forward("<\"\xE9\xA3\x9B \xE8\x84\x9A\"@example.jp>") == "\"\xE9\xA3\x9B \xE8\x84\x9A\"@example.jp|");
  std::string kana;  // 23 of them are 69 octets, and 38 in the DNS
  for (int i = 0; i < 23; ++i) kana += "\xE3\x81" + std::string(1, static_cast<char>(0x82 + i));
  CHECK(forward("<a@" + kana + ".jp>") == "a@" + kana + ".jp|");
  CHECK(forward("<\xF0\x9F\x98\x80@\xE4\xBE\x8B.jp>") == "\xF0\x9F\x98\x80@\xE4\xBE\x8B.jp|");
}

TEST_CASE("a mailbox tells its local part and domain") {
  const util::Result<Address> address = smtp::parse_mailbox("\"a@b\"@example.jp");
  REQUIRE(address);
  CHECK(address->local() == "\"a@b\"");
  CHECK(address->domain() == "example.jp");
  CHECK_FALSE(address->is_null());
  CHECK(smtp::domain_of("\"a@b\"@example.jp") == "example.jp");
  CHECK(smtp::domain_of("user@example.jp") == "example.jp");
  CHECK(smtp::domain_of("\"a@b\"") == "");
  CHECK(smtp::domain_of("postmaster") == "");
  CHECK(smtp::domain_of("") == "");
}

TEST_CASE("addresses of Japanese carriers with odd dots are accepted, strict or not") {
  for (const bool strict : {false, true}) {
    CHECK(forward("<a..b@docomo.ne.jp>", strict) == "a..b@docomo.ne.jp|");
    CHECK(forward("<.a@docomo.ne.jp>", strict) == ".a@docomo.ne.jp|");
    CHECK(forward("<a.@ezweb.ne.jp>", strict) == "a.@ezweb.ne.jp|");
  }
}

TEST_CASE("white space and missing brackets are accepted unless strict (row 110)") {
  CHECK(reverse(" <info@example.jp> SIZE=1") == "info@example.jp| SIZE=1");
  CHECK(reverse("info@example.jp SIZE=1") == "info@example.jp| SIZE=1");
  CHECK(reverse("\"a b\"@example.jp SIZE=1") == "\"a b\"@example.jp| SIZE=1");
  CHECK(reverse("< info@example.jp >") == "info@example.jp|");
  CHECK(is_refused(reverse(" <info@example.jp>", true)));
  CHECK(is_refused(reverse("info@example.jp", true)));
  CHECK(is_refused(reverse("< info@example.jp >", true)));
}

TEST_CASE("the null sender is for MAIL and a bare postmaster for RCPT") {
  CHECK(reverse("<>") == "|");
  CHECK(reverse("<> BODY=7BIT") == "| BODY=7BIT");
  CHECK(is_refused(forward("<>")));
  CHECK(forward("<Postmaster>") == "Postmaster|");
  CHECK(is_refused(reverse("<Postmaster>")));
  CHECK(is_refused(forward("<root>")));
}

TEST_CASE("a source route is read and ignored") {
  CHECK(forward("<@a.example:user@example.jp>") == "user@example.jp|");
  CHECK(forward("<@a.example,@b.example:user@example.jp>") == "user@example.jp|");
  for (const char* bad : {"<@a.example>", "<@:u@example.jp>", "<@a.example,:u@example.jp>", "<@a,b:u@example.jp>",
                          "<@a.example:>", "<@a.example:@b.example:u@example.jp>"})
    CHECK(is_refused(forward(bad)));
}

TEST_CASE("what is no address is refused") {
  const std::string too_many_octets = "<u@" + std::string(63, 'd') + "." + std::string(63, 'd') + "." +
                                      std::string(63, 'd') + "." + std::string(63, 'd') + ">";
  const std::string bad[] = {
      "",
      "<",
      ">",
      "<user",
      "user@",
      "<@>",
      "<user@>",
      "<@example.jp>",
      "<a b@example.jp>",
      "<a@b@example.jp>",
      "<user@example..jp>",
      "<user@.example.jp>",
      "<user@example.jp.>",
      "<user@-a.jp>",
      "<user@a-.jp>",
      "<user@exa mple.jp>",
      "<user@192.0.2.1>",
      "<user@[192.0.2]>",
      "<user@[192.0.2.256]>",
      "<user@[192.0.2.01]>",
      "<user@[]>",
      "<user@[192.0.2.1>",
      "<user@[IPv6:1:2:3]>",
      "<user@[IPv6:1::2::3]>",
      "<user@[IPv6:12345::]>",
      "<user@[x400:c=us]>",
      "<\"user@example.jp>",
      "<\"a\"b@example.jp>",
      "<user@example.jp>x",
      "<user@example.jp>>",
      "<<user@example.jp>>",
      "<user@ex\xE4mple.jp>",
      "<us\xE4r@example.jp>",
      "<us\xC3@example.jp>",
      "<us\xC2\x85r@example.jp>",
      "<us\xED\xA0\x80r@example.jp>",
      "<us\ter@example.jp>",
      std::string("<us\0er@example.jp>", 18),
      "<us\rer@example.jp>",
      "<us\ner@example.jp>",
      "<\"us\ner\"@example.jp>",
      "<\"us\x7F\"@example.jp>",
      "<user@example.jp\x01>",
      "<user@exa,mple.jp>",
      "<user;x@example.jp>",
      "<" + std::string(65, 'l') + "@example.jp>",
      "<user@" + std::string(64, 'd') + ".jp>",
      too_many_octets,
  };
  for (const std::string& text : bad) {
    CAPTURE(text);
    CHECK(is_refused(forward(text)));
    CHECK(is_refused(reverse(text)));
  }
}

TEST_CASE("the longest parts that RFC 5321 names are accepted") {
  const std::string local(64, 'l');
  const std::string label(61, 'd');
  const std::string domain = label + "." + label + "." + label + ".jp";
  CHECK(forward("<" + local + "@" + domain + ">") == local + "@" + domain + "|");
  const auto long_domain = [](size_t length) {
    std::string text;
    while (text.size() + 10 < length) text += "nine-long.";
    return text + std::string(length - text.size(), 'd');
  };
  CHECK(smtp::parse_mailbox("u@" + long_domain(255)));
  CHECK_FALSE(smtp::parse_mailbox("u@" + long_domain(256)));
  CHECK_FALSE(is_refused(forward("<" + std::string(22, 'l') + "@" + long_domain(231) + ">")));
  CHECK(is_refused(forward("<" + std::string(22, 'l') + "@" + long_domain(232) + ">")));
}

TEST_CASE("spellings that once opened relays stay plain local parts") {
  // Nothing here is taken apart: the domain alone says where mail goes.
  CHECK(forward("<user%other.example@example.jp>") == "user%other.example@example.jp|");
  CHECK(forward("<other.example!user@example.jp>") == "other.example!user@example.jp|");
  CHECK(smtp::domain_of("user%other.example@example.jp") == "example.jp");
}

TEST_CASE("a refused path leaves the text as it was") {
  std::string_view text = "<user@> SIZE=1";
  CHECK_FALSE(smtp::take_reverse_path(text, false));
  CHECK(text == "<user@> SIZE=1");
}

TEST_CASE("good IPv6 literals are accepted") {
  for (const char* literal :
       {"::", "::1", "1::", "1:2:3:4:5:6:7:8", "::ffff:192.0.2.1", "2001:DB8::a:1", "1:2:3:4:5:6:192.0.2.1"})
    CHECK_FALSE(is_refused(forward("<u@[IPv6:" + std::string(literal) + "]>")));
  for (const char* literal :
       {"", ":", ":1", "1:", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", ":::", "1:2:3:4:5:6:7:8::", "g::1", "::192.0.2"})
    CHECK(is_refused(forward("<u@[IPv6:" + std::string(literal) + "]>")));
}
