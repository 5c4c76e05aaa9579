// Replies: how they are written, and how a server's are read.
#include "smtp/reply.h"

#include <catch2/catch.hpp>
#include <vector>

using namespace hikyaku;
using smtp::Reply;
using smtp::ReplyParser;

namespace {

struct Read {
  std::vector<Reply> replies;
  bool malformed = false;
  bool operator==(const Read&) const = default;
};

Read read_in_pieces(std::string_view wire, size_t piece, char joint = ' ') {
  ReplyParser parser;
  Read read;
  while (!wire.empty()) {
    std::string_view bytes = wire.substr(0, piece);
    wire.remove_prefix(bytes.size());
    while (true) {
      const ReplyParser::Status status = parser.parse(bytes);
      if (status == ReplyParser::Status::kNeedMore) break;
      if (status == ReplyParser::Status::kMalformed) {
        read.malformed = true;
        return read;
      }
      read.replies.push_back(parser.take(joint));
    }
  }
  return read;
}

// The same whole and one byte at a time.
Read read_all(std::string_view wire, char joint = ' ') {
  Read read = read_in_pieces(wire, std::string_view::npos, joint);
  for (const size_t piece : {1, 2, 7}) CHECK(read_in_pieces(wire, piece, joint) == read);
  return read;
}

std::string written(const Reply& reply) {
  std::string wire;
  smtp::append_reply(wire, reply);
  return wire;
}

}  // namespace

TEST_CASE("a reply is written on one line") {
  CHECK(written({250, "2.1.0", "Ok"}) == "250 2.1.0 Ok\r\n");
  CHECK(written({220, "", "mail.example.jp ESMTP"}) == "220 mail.example.jp ESMTP\r\n");
  CHECK(Reply{250, "2.1.0", "Ok"}.line() == "250 2.1.0 Ok");
  CHECK(Reply{0, "4.4.2", ""}.line() == "4.4.2");
}

TEST_CASE("a quoted address cannot start a line of its own") {
  CHECK(written({554, "5.7.1", "<a\r\n250 b>\n"}) == "554 5.7.1 <a  250 b> \r\n");
  CHECK(written({554, "5.7.1", std::string("a\0b", 3)}) == "554 5.7.1 a b\r\n");
}

TEST_CASE("a reply line has at most 512 octets") {
  const std::string line = written({554, "5.7.1", std::string(5000, 'x')});
  CHECK(line.size() == 512);
  CHECK(line.ends_with("x\r\n"));
}

TEST_CASE("replies are read whatever their split") {
  CHECK(read_all("250 2.1.0 Ok\r\n").replies == std::vector<Reply>{{250, "2.1.0", "Ok"}});
  CHECK(read_all("250 Ok\r\n354 Go\r\n").replies == std::vector<Reply>{{250, "", "Ok"}, {354, "", "Go"}});
  CHECK(read_all("250\r\n").replies == std::vector<Reply>{{250, "", ""}});
  CHECK(read_all("250 \r\n").replies == std::vector<Reply>{{250, "", ""}});
  CHECK(read_all("250 Ok\n").replies == std::vector<Reply>{{250, "", "Ok"}});
  CHECK(read_all("550 5.1.1\r\n").replies == std::vector<Reply>{{550, "5.1.1", ""}});
  CHECK(read_all("250 Ok").replies.empty());
}

TEST_CASE("lines of one reply are joined, and a repeated enhanced code is told once") {
  CHECK(read_all("550-5.1.1 No such\r\n550-5.1.1 user\r\n550 5.1.1 here\r\n").replies ==
        std::vector<Reply>{{550, "5.1.1", "No such user here"}});
  CHECK(read_all("550-5.1.1 No\r\n550 5.7.1 Yes\r\n").replies == std::vector<Reply>{{550, "5.1.1", "No 5.7.1 Yes"}});
  CHECK(read_all("250-a\r\n250-SIZE 1\r\n250\r\n", '\n').replies == std::vector<Reply>{{250, "", "a\nSIZE 1\n"}});
}

TEST_CASE("only an enhanced code of the reply's class counts") {
  CHECK(smtp::enhanced_code_of(550, "5.1.1 x") == "5.1.1");
  CHECK(smtp::enhanced_code_of(550, "5.100.999") == "5.100.999");
  for (const char* text : {"4.1.1 x", "5.1 x", "5.1.1x", "5.1111.1 x", "5..1 x", "5.1.", "", "51.1.1 x"})
    CHECK(smtp::enhanced_code_of(550, text) == "");
}

TEST_CASE("what is no reply is malformed") {
  for (const char* wire : {"\r\n", "x\r\n", "25\r\n", "25a Ok\r\n", "150 Ok\r\n", "650 Ok\r\n", "250x\r\n",
                           "2500 Ok\r\n", "250-a\r\n251 b\r\n", "250-a\r\nb\r\n", "HTTP/1.1 400 Bad Request\r\n"}) {
    CAPTURE(wire);
    CHECK(read_all(wire).malformed);
  }
}

TEST_CASE("NUL and CR inside a reply's text become question marks") {
  CHECK(read_all(std::string_view("250 a\0b\rc\r\n", 11)).replies == std::vector<Reply>{{250, "", "a?b?c"}});
}

TEST_CASE("a reply of a thousand lines is read, and its text kept up to the limit") {
  std::string wire;
  for (int i = 0; i < 999; ++i) wire += "550-" + std::string(200, 'x') + "\r\n";
  wire += "550 end\r\n250 Ok\r\n";
  const Read read = read_in_pieces(wire, 1000);
  REQUIRE(read.replies.size() == 2);
  CHECK(read.replies[0].text.size() == ReplyParser::kMaxReplyText);
  CHECK(read.replies[1] == Reply{250, "", "Ok"});
}

TEST_CASE("a line without an end does not grow memory and is still read to its end") {
  const std::string wire = "250 " + std::string(1000000, 'x') + "\r\n250 Ok\r\n";
  const Read read = read_in_pieces(wire, 4096);
  REQUIRE(read.replies.size() == 2);
  CHECK(read.replies[0].text.size() == ReplyParser::kMaxReplyText);
  CHECK(read.replies[1].text == "Ok");
}
