// The parameters of RFC 3461.
#include "smtp/dsn.h"

#include <catch2/catch.hpp>

using namespace hikyaku::smtp;

TEST_CASE("NOTIFY is NEVER, or a list of the others") {
  CHECK(read_notify("NEVER") == kNotifyNever);
  CHECK(read_notify("success") == kNotifySuccess);
  CHECK(read_notify("FAILURE,Delay") == (kNotifyFailure | kNotifyDelay));
  CHECK(read_notify("SUCCESS,FAILURE,DELAY,SUCCESS") == (kNotifySuccess | kNotifyFailure | kNotifyDelay));
  for (const char* bad : {"", "NEVER,SUCCESS", "SUCCESS,", ",SUCCESS", "SUCCESS,,DELAY", "ALWAYS", "SUCCESS DELAY"}) {
    CAPTURE(bad);
    CHECK_FALSE(read_notify(bad));
  }
}

TEST_CASE("what NOTIFY said is said again") {
  for (const uint8_t bits : {1, 2, 4, 6, 8, 10, 12, 14}) CHECK(read_notify(notify_text(bits)) == bits);
  CHECK(notify_text(kNotifySuccess | kNotifyDelay) == "SUCCESS,DELAY");
}

TEST_CASE("an ENVID is xtext of at most a hundred printable characters") {
  for (const std::string good : {"QQ314159", "a+3Db+2Bc+20d", "+2B", "#!$"}) {
    CAPTURE(good);
    CHECK(is_envelope_id(good));
  }
  CHECK(is_envelope_id(std::string(100, 'x')));
  CHECK_FALSE(is_envelope_id(std::string(101, 'x')));
  std::string encoded;
  for (int i = 0; i < 100; ++i) encoded += "+2B";
  CHECK(is_envelope_id(encoded));
  CHECK_FALSE(is_envelope_id(encoded + "x"));
  for (const std::string bad : {"", "a=b", "a+", "a+3", "a+3d", "a+0Ab", "a+7Fb", "a+FCb", "a b", "\xFC", "a\x01"}) {
    CAPTURE(bad);
    CHECK_FALSE(is_envelope_id(bad));
  }
}

TEST_CASE("an ORCPT is a type and an address") {
  for (const std::string good : {"rfc822;user@example.com", "RFC822;user+2Btag@example.com", "local;host!user"}) {
    CAPTURE(good);
    CHECK(is_original_recipient(good, false));
  }
  CHECK(is_original_recipient("utf-8;\\x{FC}ser@example.com", false));
  CHECK(is_original_recipient("utf-8;\\x{1F600}@example.com", false));
  CHECK(is_original_recipient("utf-8;\xC3\xBCser@example.com", true));
  for (const std::string bad : {"", ";", "rfc822", "rfc822;", ";user@example.com", "rfc 822;a@b", "rfc822;a b",
                                "rfc822;a=b", "rfc822;a+0Db", "rfc822;\xC3\xBC@b", "utf-8;\xC3\xBC@b", "utf-8;\\x{}@b",
                                "utf-8;\\x{FC", "utf-8;\\x{1234567}@b", "utf-8;\\y", "utf-8;a=b"}) {
    CAPTURE(bad);
    CHECK_FALSE(is_original_recipient(bad, false));
  }
  CHECK(ascii_original_recipient("utf-8;\xC3\xBC\xF0\x9F\x98\x80+2Ba@b") == "utf-8;\\x{FC}\\x{1F600}+2Ba@b");
  CHECK_FALSE(is_original_recipient("rfc822;\xC3\xBC@b", true));
  CHECK_FALSE(is_original_recipient("rfc822;" + std::string(500, 'x'), false));
}
