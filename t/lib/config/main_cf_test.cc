// main.cf's syntax.
#include "config/main_cf.h"

#include <catch2/catch.hpp>

namespace hikyaku::config {
namespace {

using namespace std::string_literals;

using Definitions = std::vector<Definition>;

std::string lines_of(const Problems& problems) {
  std::string out;
  for (const Problem& problem : problems) out += to_line(problem) + "\n";
  return out;
}

TEST_CASE("each definition keeps its text and its line") {
  const MainCf main = parse_main_cf("# head\nmyhostname = a.example\n\nrelayhost=[b.example]:25\r\nempty =\n");
  REQUIRE(main.problems.empty());
  REQUIRE(main.definitions == Definitions{{"myhostname", "a.example", "main.cf:2"},
                                          {"relayhost", "[b.example]:25", "main.cf:4"},
                                          {"empty", "", "main.cf:5"}});
}

TEST_CASE("white space continues a line, across comments and empty lines") {
  const MainCf main = parse_main_cf("mynetworks =\n  127.0.0.0/8\n# note\n\n  # note\n\t[::1]/128\nmail_owner = x");
  REQUIRE(main.problems.empty());
  REQUIRE(main.definitions ==
          Definitions{{"mynetworks", "127.0.0.0/8 [::1]/128", "main.cf:1"}, {"mail_owner", "x", "main.cf:7"}});
}

TEST_CASE("a '#' or '=' inside a value belongs to it") {
  REQUIRE(parse_main_cf("a = b = c # d").definitions == Definitions{{"a", "b = c # d", "main.cf:1"}});
}

TEST_CASE("a name that is set twice is kept twice, with a warning") {
  const MainCf main = parse_main_cf("a = 1\nb = 2\na = 3\n");
  REQUIRE(main.definitions.size() == 3);
  REQUIRE(lines_of(main.problems) == "main.cf:3: warning: a was set before at main.cf:1; this line counts\n");
}

TEST_CASE("every wrong line is reported at once, and the good ones are kept") {
  const MainCf main = parse_main_cf("  early\nno equals here\n= nothing\nbad name = 1\ngood = 1\n");
  REQUIRE(lines_of(main.problems) ==
          "main.cf:1: this line begins with white space, but there is no line before it to continue\n"
          "main.cf:2: '=' is missing after 'no'\n"
          "main.cf:3: the name before '=' is missing\n"
          "main.cf:4: 'bad name' is not a name of letters, digits and '_'\n");
  REQUIRE(main.definitions == Definitions{{"good", "1", "main.cf:5"}});
}

TEST_CASE("a NUL byte and control characters are refused, and shown as digits") {
  REQUIRE(lines_of(parse_main_cf("a = b\0c\n\x01 = 1\n"s).problems) ==
          "main.cf:1: a NUL byte in the value of a\nmain.cf:2: '\\001' is not a name of letters, digits and '_'\n");
}

TEST_CASE("a file that is cut anywhere is read without harm") {
  const std::string whole = "a = 1\n  # c\n  2\n\x01\xff = \0\n=\n x\n"s;
  for (size_t length = 0; length <= whole.size(); ++length) {
    const MainCf main = parse_main_cf(std::string_view(whole).substr(0, length));
    REQUIRE(main.definitions.size() <= 1);
  }
}

}  // namespace
}  // namespace hikyaku::config
