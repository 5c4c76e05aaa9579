// Header blocks read in place: well-formed ones, folded ones, and whatever strangers send instead.
#include "mime/header_block.h"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace hikyaku::mime;

namespace {

std::vector<Field> fields(std::string_view content) {
  const HeaderBlock block(content);
  return {block.begin(), block.end()};
}

}  // namespace

TEST_CASE("a field has its name, raw value and place") {
  const std::string content = "From: a@example.com\r\nSubject: one\r\n two\r\n\tthree\r\nTo:b\r\n\r\nBody: no\r\n";
  const auto found = fields(content);
  REQUIRE(found.size() == 3);
  CHECK(found[0] == Field{"From: a@example.com\r\n", "From", " a@example.com", 0});
  CHECK(found[1] == Field{"Subject: one\r\n two\r\n\tthree\r\n", "Subject", " one\r\n two\r\n\tthree", 21});
  CHECK(found[2] == Field{"To:b\r\n", "To", "b", 49});
  CHECK(HeaderBlock(content).size() == 55);
  CHECK(content.substr(HeaderBlock(content).body()) == "Body: no\r\n");
}

TEST_CASE("views point into the content: nothing is copied") {
  const std::string content = "A: b\r\n\r\n";
  CHECK(fields(content)[0].text.data() == content.data());
}

TEST_CASE("odd headers are read without losing what follows") {
  struct Row {
    std::string content;
    std::vector<std::string> names;
    std::string body;
  };
  const Row rows[] = {
      {"", {}, ""},
      {"\r\n", {}, ""},
      {"\r\nbody", {}, "body"},
      {"\nbody", {}, "body"},
      {"A: b", {"A"}, ""},
      {"A: b\r\n", {"A"}, ""},
      {"A: b\n\nbody", {"A"}, "body"},
      {"A: b\n c\nD: e\n\nbody", {"A", "D"}, "body"},
      {"A : b\r\nC\t:\r\n\r\n", {"A", "C"}, ""},
      {"A:\r\n\r\nB: c\r\n", {"A"}, "B: c\r\n"},
      {"A: b\r\n \r\nC: d\r\n\r\n", {"A", "C"}, ""},
      {"no field\r\nA: b\r\n\r\nx", {"", "A"}, "x"},
      {"A: b\r\nno field\r\n folded\r\nC: d\r\n\r\n", {"A", "", "C"}, ""},
      {": empty name\r\nA: b\r\n\r\n", {"", "A"}, ""},
      {"T\xc3\xa9: x\r\nA: b\r\n\r\n", {"", "A"}, ""},
      {std::string("\0: x\r\nA: b\0\r\n\r\n", 15), {"", "A"}, ""},
      {"\r\r\nA: b\r\n\r\n", {"", "A"}, ""},
      {" starts with white space\r\nA: b\r\n\r\nbody", {}, " starts with white space\r\nA: b\r\n\r\nbody"},
      {"\tA: b\r\n\r\n", {}, "\tA: b\r\n\r\n"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.content);
    std::vector<std::string> names;
    for (const Field& field : HeaderBlock(row.content)) names.emplace_back(field.name);
    CHECK(names == row.names);
    CHECK(row.content.substr(HeaderBlock(row.content).body()) == row.body);
  }
}

TEST_CASE("every cut of a header gives fields that add up to what was given") {
  const std::string content = "junk\r\nReceived: x\r\n y\r\nA : b\nC:\r\n\td\r\n\r\nbody\r\n";
  for (size_t length = 0; length <= content.size(); ++length) {
    const std::string_view cut = std::string_view(content).substr(0, length);
    std::string joined;
    for (const Field& field : HeaderBlock(cut)) {
      CHECK(field.position == joined.size());
      joined += field.text;
    }
    CHECK(joined == cut.substr(0, HeaderBlock(cut).size()));
    CHECK(HeaderBlock(cut).body() <= length);
  }
}

TEST_CASE("fields are found and counted without regard to case, in the header only") {
  const HeaderBlock block("Received: 1\r\nRECEIVED : 2\r\nX: y\r\nreceived:3\r\n\r\nReceived: 4\r\n");
  CHECK(block.count("received") == 3);
  CHECK(block.count("Receive") == 0);
  REQUIRE(block.find_first("rEceived").has_value());
  CHECK(block.find_first("received")->value == " 1");
  CHECK_FALSE(block.find_first("Subject").has_value());
}

TEST_CASE("a line that is no field is found under no name") {
  CHECK_FALSE(HeaderBlock("Received\r\n\r\n").find_first("Received").has_value());
  CHECK_FALSE(HeaderBlock("Re ceived: x\r\n\r\n").find_first("Received").has_value());
}

TEST_CASE("megabytes without an end are read once") {
  const size_t size = 8 << 20;
  std::string folded = "A: b";
  while (folded.size() < size) folded += "\r\n ";
  std::string lines;
  while (lines.size() < size) lines += ":\n";
  CHECK(HeaderBlock(folded).size() == folded.size());
  CHECK(HeaderBlock(lines).count("A") == 0);
  CHECK(HeaderBlock(std::string(size, 'a')).count("A") == 0);
  CHECK(HeaderBlock(std::string(size, '\r')).count("A") == 0);
}

TEST_CASE("a folded value becomes one line") {
  CHECK(unfold(" one\r\n two\r\n\tthree ") == "one two\tthree");
  CHECK(unfold(" one\n two") == "one two");
  CHECK(unfold("\r\n <id@example.com>") == "<id@example.com>");
  CHECK(unfold("") == "");
  CHECK(unfold("a\r\nb") == "a\r\nb");  // no fold: nothing is lost, the caller escapes it
}

TEST_CASE("a message id is taken with its brackets") {
  CHECK(message_id(" <a@b>") == "<a@b>");
  CHECK(message_id("\r\n\t<a@b> (comment)") == "<a@b>");
  CHECK(message_id(" <a@b> <c@d>") == "<a@b>");
  CHECK(message_id(" a@b ") == "a@b");
  CHECK(message_id(" >< a") == ">< a");
  CHECK(message_id("") == "");
}
