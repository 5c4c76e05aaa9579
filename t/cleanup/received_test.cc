// Our Received header: its two forms, and what hostile facts may not do to it.
#include "cleanup/received.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <string>
#include <vector>

using namespace hikyaku::cleanup;

namespace {

ReceivedFacts example(int64_t seconds) {
  ReceivedFacts facts;
  facts.helo = "mta.example.com";
  facts.client_name = "mta.example.com";
  facts.client_address = "10.0.2.14";
  facts.our_name = "mta01.te.smtps.jp";
  facts.our_address = "153.149.33.121";
  facts.arrival = seconds * 1'000'000;
  facts.utc_offset = 9 * 3600;
  return facts;
}

// A strict reader of RFC 5322's `received`, sections 3.2 and 3.6.7, without any obsolete form.
class StrictReader {
 public:
  explicit StrictReader(std::string_view text) : rest_(text) {}

  bool received() {
    if (!take("Received:")) return false;
    while (cfws() && !rest_.empty() && rest_.front() != ';') {
      if (!word()) return false;
    }
    return take(";") && date() && take("\r\n") && rest_.empty();
  }

 private:
  bool take(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }
  static bool atext(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
  }
  bool blanks() {
    const size_t count = std::min(rest_.find_first_not_of(" \t"), rest_.size());
    rest_.remove_prefix(count);
    return count > 0;
  }
  // [*WSP CRLF] 1*WSP
  bool fws() {
    const bool before = blanks();
    if (!rest_.starts_with("\r\n ") && !rest_.starts_with("\r\n\t")) return before;
    return take("\r\n") && blanks();
  }
  bool comment() {
    if (!take("(")) return false;
    while (!take(")")) {
      if (fws()) continue;
      if (rest_.empty()) return false;
      if (rest_.front() == '(') {
        if (!comment()) return false;
        continue;
      }
      const char c = rest_.front();
      if (c <= ' ' || c > 126 || c == '\\') return false;
      rest_.remove_prefix(1);
    }
    return true;
  }
  bool cfws() {
    while (fws() || (rest_.starts_with('(') && comment())) {
    }
    return !rest_.starts_with('(');
  }
  bool atom() {
    size_t count = 0;
    while (count < rest_.size() && atext(rest_[count])) ++count;
    rest_.remove_prefix(count);
    return count > 0;
  }
  bool word() {
    if (take("[")) {
      while (!rest_.empty() && rest_.front() > ' ' && rest_.front() < 127 && rest_.front() != '[' &&
             rest_.front() != ']' && rest_.front() != '\\') {
        rest_.remove_prefix(1);
      }
      return take("]");
    }
    if (!atom()) return false;
    while (take(".")) {
      if (!atom()) return false;
    }
    return true;
  }
  bool digits(size_t least, size_t most) {
    size_t count = 0;
    while (count < rest_.size() && count < most && rest_[count] >= '0' && rest_[count] <= '9') ++count;
    rest_.remove_prefix(count);
    return count >= least;
  }
  bool one_of(const std::vector<std::string_view>& names) {
    for (const auto name : names) {
      if (take(name)) return true;
    }
    return false;
  }
  bool date() {
    return fws() && one_of({"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}) && take(",") && fws() && digits(1, 2) &&
           fws() && one_of({"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}) &&
           fws() && digits(4, 4) && fws() && digits(2, 2) && take(":") && digits(2, 2) && take(":") && digits(2, 2) &&
           fws() && (take("+") || take("-")) && digits(4, 4);
  }

  std::string_view rest_;
};

// Valid, with one semicolon, and no line that a server may refuse.
void check_valid(const std::string& header) {
  CAPTURE(header);
  CHECK(StrictReader(header).received());
  CHECK(std::count(header.begin(), header.end(), ';') == 1);
  for (size_t at = 0; at < header.size();) {
    const size_t end = header.find("\r\n", at);
    REQUIRE(end != std::string::npos);
    CHECK(end - at <= 998);
    at = end + 2;
  }
}

}  // namespace

TEST_CASE("the abbreviated form is as in row 31") {
  CHECK(received_header(ReceivedHeader::kAbbreviated, example(1457420514)) ==
        "Received: from mta.example.com by mta01.te.smtps.jp;\r\n"
        " Tue, 8 Mar 2016 16:01:54 +0900\r\n");
}

TEST_CASE("the normal form is as in row 32, with one semicolon, before the date (C3)") {
  const std::string header = received_header(ReceivedHeader::kNormal, example(1457421036));
  CHECK(header ==
        "Received: from mta.example.com (mta.example.com [10.0.2.14])\r\n"
        " by mta01.te.smtps.jp (mta01.te.smtps.jp [153.149.33.121]);\r\n"
        " Tue, 8 Mar 2016 16:10:36 +0900\r\n");
  check_valid(header);
}

TEST_CASE("none is added in the other modes (rows 33, 34)") {
  CHECK(received_header(ReceivedHeader::kNone, example(0)).empty());
  CHECK(received_header(ReceivedHeader::kStrip, example(0)).empty());
}

TEST_CASE("the from part tells HELO, then reverse name and address; abbreviated tells HELO only (C4)") {
  ReceivedFacts facts = example(0);
  facts.helo = "claimed.example";
  facts.client_name = "unknown";
  facts.client_address = "2001:db8::14";
  CHECK(received_header(ReceivedHeader::kNormal, facts)
            .starts_with("Received: from claimed.example (unknown [IPv6:2001:db8::14])\r\n by "));
  CHECK(received_header(ReceivedHeader::kAbbreviated, facts).starts_with("Received: from claimed.example by "));
}

TEST_CASE("the abbreviated form tells no address, not even one given as HELO (row 31)") {
  for (const char* helo : {"[10.0.2.14]", "10.0.2.14", "[IPv6:2001:db8::1]", "2001:db8::1", "[10.0.2.14", ""}) {
    ReceivedFacts facts = example(0);
    facts.helo = helo;
    CHECK(received_header(ReceivedHeader::kAbbreviated, facts).starts_with("Received: from unknown by mta01"));
  }
}

TEST_CASE("the normal form keeps an address literal that was given as HELO (row 32)") {
  ReceivedFacts facts = example(0);
  facts.helo = "[10.0.2.14]";
  CHECK(received_header(ReceivedHeader::kNormal, facts).starts_with("Received: from [10.0.2.14] (mta.example.com"));
  facts.helo = "[IPv6:2001:db8::1]";
  CHECK(received_header(ReceivedHeader::kNormal, facts).starts_with("Received: from [IPv6:2001:db8::1] (mta"));
}

TEST_CASE("mail made on this machine has no from part") {
  ReceivedFacts facts = example(0);
  facts.client_address = "";
  CHECK(received_header(ReceivedHeader::kAbbreviated, facts).starts_with("Received: by mta01.te.smtps.jp;\r\n "));
  facts.our_address = "";
  CHECK(received_header(ReceivedHeader::kNormal, facts).starts_with("Received: by mta01.te.smtps.jp;\r\n "));
}

TEST_CASE("hostile facts never break the header") {
  std::string all_bytes;
  for (int byte = 0; byte < 256; ++byte) all_bytes += static_cast<char>(byte);
  const std::vector<std::string> hostile = {"",
                                            " ",
                                            ".",
                                            "..",
                                            ".a..b.",
                                            "a;b",
                                            "a (comment",
                                            "a) by evil;",
                                            "\"quoted",
                                            "a\\",
                                            "[",
                                            "[]",
                                            "[a]b]",
                                            "[10.0.0.1]\r\nX-Evil: 1",
                                            "x\r\nBcc: evil@example.com\r\n\r\nbody",
                                            "\r\n",
                                            "b\xc3\xbc"
                                            "cher.example",
                                            std::string(300, '.') + "a",
                                            std::string(100000, 'a'),
                                            std::string(100000, '('),
                                            "[" + std::string(1000, '1') + "]",
                                            std::string(254, 'a') + ".b",
                                            all_bytes};
  for (const std::string& text : hostile) {
    for (const auto form : {ReceivedHeader::kAbbreviated, ReceivedHeader::kNormal}) {
      ReceivedFacts facts = example(0);
      facts.helo = text;
      check_valid(received_header(form, facts));
      facts.client_name = facts.client_address = facts.our_name = facts.our_address = text;
      check_valid(received_header(form, facts));
    }
  }
}

TEST_CASE("every single byte in a HELO gives a valid header") {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string helo = std::string("a") + static_cast<char>(byte) + "b";
    ReceivedFacts facts = example(0);
    facts.helo = helo;
    check_valid(received_header(ReceivedHeader::kAbbreviated, facts));
    check_valid(received_header(ReceivedHeader::kNormal, facts));
  }
}
