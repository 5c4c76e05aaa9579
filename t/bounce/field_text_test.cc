// Strangers' text made fit for a report.
#include "bounce/field_text.h"

#include <catch2/catch.hpp>

#include <string>

using namespace hikyaku::bounce;

TEST_CASE("text becomes one printable line") {
  CHECK(one_line("  a\r\n\tb  c ") == "a b c");
  CHECK(one_line(std::string("a\0b\x7f"
                             "c\x1b[0m",
                             9)) == "a?b?c?[0m");
  CHECK(one_line("\xc3\xbc \xe2\x82\xac \xf0\x9f\x93\xae") == "\xc3\xbc \xe2\x82\xac \xf0\x9f\x93\xae");
  CHECK(ascii_line("\xc3\xbc \xe2\x82\xac") == "? ?");
}

TEST_CASE("bytes that are not UTF-8 are replaced one by one") {
  CHECK(one_line("\xff") == "?");
  CHECK(one_line("\xc3") == "?");
  CHECK(one_line("\xc0\xaf") == "??");
  CHECK(one_line("\xed\xa0\x80") == "???");
  CHECK(one_line("\xf4\x90\x80\x80") == "????");
  CHECK(one_line("\xe0\x80\xaf") == "???");
  CHECK(one_line("\xc2\x85") == "?");      // a C1 control
  CHECK(one_line("\xe2\x80\xa8") == "?");  // U+2028
}

TEST_CASE("long text is cut between characters and says so") {
  CHECK(one_line("1234567890", 10) == "1234567890");
  CHECK(one_line("12345678901", 10) == "1234567...");
  CHECK(one_line("123456\xc3\xbc"
                 "8901",
                 10) == "123456...");
  CHECK(one_line(std::string(5000, 'a')).size() == kLongestText);
}

TEST_CASE("xtext is decoded and anything else kept (RFC 3461)") {
  CHECK(decode_xtext("a+2Bb+3D") == "a+b=");
  CHECK(decode_xtext("a+2") == "a+2");
  CHECK(decode_xtext("a+2b+") == "a+2b+");
  CHECK(decode_xtext("+0D+0A") == "\r\n");
}

TEST_CASE("addresses are typed (RFC 3464, 6533)") {
  CHECK(typed_address("a+b@example.com") == "rfc822; a+b@example.com");
  CHECK(typed_address("\xc3\xbc+b@x") == "utf-8; \\x{FC}\\x{2B}b@x");
  CHECK(typed_address("\xf0\x9f\x93\xae@x") == "utf-8; \\x{1F4EE}@x");
}

TEST_CASE("text is wrapped at spaces") {
  std::string out;
  append_wrapped(out, "  ", "one two");
  CHECK(out == "  one two\r\n");
  out.clear();
  append_wrapped(out, "  ", std::string(40, 'a') + " " + std::string(40, 'b') + " " + std::string(200, 'c'));
  CHECK(out ==
        "  " + std::string(40, 'a') + "\r\n  " + std::string(40, 'b') + "\r\n  " + std::string(200, 'c') + "\r\n");
}
