// Mail made 7-bit: what is changed, what is left, and what comes out of mail that breaks the rules.
#include "mime/seven_bit.h"

#include <catch2/catch.hpp>
#include <random>

#include "t/lib/mime/mail_reader.h"
#include "util/text.h"

using namespace hikyaku;
using namespace hikyaku::mime;

namespace {

std::string convert_in_pieces(std::string_view content, size_t piece) {
  SevenBit seven_bit;
  std::string out;
  for (; !content.empty(); content.remove_prefix(std::min(piece, content.size())))
    seven_bit.append(content.substr(0, piece), out);
  seven_bit.end(out);
  return out;
}

std::string convert(std::string_view content) {
  std::string whole = convert_in_pieces(content, std::string_view::npos);
  CHECK((convert_in_pieces(content, 1) == whole));
  CHECK((convert_in_pieces(content, 7) == whole));
  return whole;
}

std::string repeat(std::string_view text, int times) {
  std::string all;
  while (times-- > 0) all += text;
  return all;
}

struct Row {
  std::string_view content, converted;
};

void check(const Row& row) {
  CAPTURE(row.content);
  CHECK(convert(row.content) == row.converted);
}

}  // namespace

TEST_CASE("a leaf is encoded by its label, or when it has octets above 127") {
  const Row rows[] = {
      {"Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
       "Content-Transfer-Encoding: 8bit\r\nX: y\r\n\r\ncaf\xC3\xA9 = x\r\n",
       "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
       "Content-Transfer-Encoding: quoted-printable\r\nX: y\r\n\r\ncaf=C3=A9 =3D x\r\n"},
      // By its label alone, and every label goes.
      {"Content-Type: a/b\r\nContent-Transfer-Encoding:\r\n binary\r\nMIME-Version: 1.0\r\n"
       "content-transfer-encoding: 7bit\r\n\r\nx=y\r\n",
       "Content-Type: a/b\r\nContent-Transfer-Encoding: quoted-printable\r\nMIME-Version: 1.0\r\n\r\nx=3Dy\r\n"},
      // Unlabelled, as old software sends it.
      {"Subject: \x95\x5C\x8E\xA6\r\n\r\n\x95\x5C\x8E\xA6\r\n",
       "Subject: \x95\x5C\x8E\xA6\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
       "Content-Transfer-Encoding: quoted-printable\r\n\r\n=95\\=8E=A6\r\n"},
      {"Subject: x\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: 7bit\r\n\r\n<p a=b>\r\n\xE9",
       "Subject: x\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\nMIME-Version: 1.0\r\n"
       "\r\n<p a=3Db>\r\n=E9"},
      // Nothing above 127 in the body, or in a body that is encoded.
      {"Subject: \xE9\r\nContent-Transfer-Encoding: 7bit\r\n\r\n\x1B$B%F\x1B(B = \r\n",
       "Subject: \xE9\r\nContent-Transfer-Encoding: 7bit\r\n\r\n\x1B$B%F\x1B(B = \r\n"},
      {"Subject: \xE9\r\n\r\nx=y", "Subject: \xE9\r\n\r\nx=y"},
      {"Content-Transfer-Encoding: base64\r\n\r\nw6k=\r\n\xE9\r\n",
       "Content-Transfer-Encoding: base64\r\n\r\nw6k=\r\n\xE9\r\n"},
      {"Content-Transfer-Encoding: Quoted-Printable\r\n\r\n=E9\r\n\xE9\r\n",
       "Content-Transfer-Encoding: Quoted-Printable\r\n\r\n=E9\r\n\xE9\r\n"},
      {"Content-Transfer-Encoding: x-uuencode\r\n\r\n\xE9\r\n",
       "Content-Transfer-Encoding: x-uuencode\r\n\r\n\xE9\r\n"},
  };
  for (const Row& row : rows) check(row);
}

TEST_CASE("the leaves of a tree are encoded, each by itself") {
  check(
      {"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=out\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
       "preamble = caf\xE9\r\n"
       "--out\r\nContent-Type: multipart/alternative; boundary=\"in ner\"\r\n\r\n"
       "--in ner \r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xC3\xA9 \r\n"
       "--in ner\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: 7bit\r\n\r\n<a b=c>\r\n"
       "--in ner--\t\r\nepilogue\r\n"
       "--out\r\n\r\n\xE9\r\n"
       "--out\r\nContent-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n\r\nw6k=\r\n"
       "--out--\r\n\xE9",
       "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=out\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
       "preamble = caf=E9\r\n"
       "--out\r\nContent-Type: multipart/alternative; boundary=\"in ner\"\r\n\r\n"
       "--in ner \r\nContent-Type: text/plain; charset=utf-8\r\n"
       "Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A9=20\r\n"
       "--in ner\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: 7bit\r\n\r\n<a b=c>\r\n"
       "--in ner--\t\r\nepilogue\r\n"
       "--out\r\nContent-Type: text/plain; charset=unknown-8bit\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
       "=E9\r\n"
       "--out\r\nContent-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n\r\nw6k=\r\n"
       "--out--\r\n=E9"});
}

TEST_CASE("of messages in messages the leaves are encoded, where that is allowed") {
  const Row rows[] = {
      {"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: \xE9\r\n\r\n\xE9\r\n",
       "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\nMIME-Version: 1.0\r\n\r\n"
       "Subject: \xE9\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
       "Content-Transfer-Encoding: quoted-printable\r\n\r\n=E9\r\n"},
      {"MIME-Version: 1.0\r\nContent-Type: multipart/digest; boundary=b\r\n\r\n"
       "--b\r\n\r\nSubject: x\r\n\r\n\xE9\r\n--b--\r\n",
       "MIME-Version: 1.0\r\nContent-Type: multipart/digest; boundary=b\r\n\r\n"
       "--b\r\n\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
       "Content-Transfer-Encoding: quoted-printable\r\n\r\n=E9\r\n--b--\r\n"},
      {"Content-Type: message/global\r\n\r\nSubject: \xE9\r\n\r\nx",
       "Content-Type: message/global\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
       "Subject: =E9\r\n\r\nx"},
      {"Content-Type: message/delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n\r\nX: \xE9\r\n",
       "Content-Type: message/delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n\r\nX: \xE9\r\n"},
      {"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nw6k=\xE9\r\n",
       "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nw6k=\xE9\r\n"},
  };
  for (const Row& row : rows) check(row);
}

TEST_CASE("broken mail keeps all that it has") {
  const Row rows[] = {
      {"", ""},
      {"\xE9",
       "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
       "Content-Transfer-Encoding: quoted-printable\r\n\r\n=E9"},
      {" folded\r\n\r\n\xE9",
       "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
       "Content-Transfer-Encoding: quoted-printable\r\n\r\n folded\r\n\r\n=E9"},
      {"\r\n\xE9",
       "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
       "Content-Transfer-Encoding: quoted-printable\r\n\r\n=E9"},
      // A header that never ends; lines in it that are none.
      {"Subject: \xE9", "Subject: \xE9"},
      {"Subject: x\r\n\xE9\r\n", "Subject: x\r\n\xE9\r\n"},
      {"From x\r\nContent-Transfer-Encoding: 8bit\r\nContent-Type: a/b\r\nMIME-Version: 1\r\n\r\n\xE9",
       "From x\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Type: a/b\r\nMIME-Version: 1\r\n\r\n=E9"},
      {"Content-Transfer-Encoding: 8bit\r\nno field\r\n\r\n\xE9",
       "Content-Transfer-Encoding: quoted-printable\r\nno field\r\nMIME-Version: 1.0\r\n"
       "Content-Type: text/plain; charset=unknown-8bit\r\n\r\n=E9"},
      // No boundary to be found, and one that is never seen.
      {"Content-Type: multipart/mixed\r\n\r\n--b\r\n\r\n\xE9",
       "Content-Type: text/plain; charset=unknown-8bit\r\nMIME-Version: 1.0\r\n"
       "Content-Transfer-Encoding: quoted-printable\r\n\r\n=2D-b\r\n\r\n=E9"},
      {"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--b\r\n\r\n\xE9",
       "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--b\r\n\r\n=E9"},
      // The inner one is not closed; the outer one is closed in a header, and never mind what follows.
      {"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n"
       "--a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n\xE9\r\n--a--\r\n--b\r\n\r\n\xE9",
       "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n"
       "--a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; "
       "charset=unknown-8bit\r\n"
       "Content-Transfer-Encoding: quoted-printable\r\n\r\n=E9\r\n--a--\r\n--b\r\n\r\n=E9"},
      {"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nX: \xE9\r\n--a\r\n\xE9: "
       "y\r\n--a--",
       "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nX: \xE9\r\n--a\r\n"
       "Content-Type: text/plain; charset=unknown-8bit\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
       "=E9: y\r\n--a--"},
      // More than a boundary is none.
      {"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\n--ab\r\n "
       "--a\r\n--a-\xE9\r\n--a--",
       "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n"
       "Content-Type: text/plain; charset=unknown-8bit\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
       "=2D-ab\r\n --a\r\n=2D-a-=E9\r\n--a--"},
  };
  for (const Row& row : rows) check(row);
}

TEST_CASE("a boundary of any length that a line can have is found") {
  for (const size_t size : {1, 70, 71, 994}) {
    const std::string mark(size, 'b');
    const std::string head =
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=" + mark + "\r\n\r\n--" + mark;
    CHECK((convert(head + "\r\nContent-Type: a/b\r\n\r\n\xE9\r\n--" + mark + "--\r\n") ==
           head + "\r\nContent-Type: a/b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=E9\r\n--" + mark +
               "--\r\n"));
  }
  const std::string longer = "Content-Type: multipart/mixed; boundary=" + std::string(995, 'b') + "\r\n\r\n";
  CHECK(convert(longer + "\xE9").ends_with("Content-Transfer-Encoding: quoted-printable\r\n\r\n=E9"));
}

TEST_CASE("a body is held back until it shows what it is, or is too long") {
  const std::string head = "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n";
  const std::string encoded =
      "MIME-Version: 1.0\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n";
  const std::string line = std::string(62, 'x') + "\r\n";
  const std::string full = repeat(line, 1024);
  CHECK((convert(head + full) == head + full));
  CHECK((convert(head + full + "\xE9\r\n") == encoded + full + "=E9\r\n"));
  CHECK((convert(head + full + "=\r\n") == encoded + full + "=3D\r\n"));
  // Nothing comes out before that, and nothing is held when it is known.
  SevenBit seven_bit;
  std::string out;
  seven_bit.append(head + full, out);
  CHECK(out.empty());
  seven_bit.append("\xE9\r\n", out);
  CHECK((out == encoded + full + "=E9\r\n"));
}

TEST_CASE("what is kept is bounded, whatever comes") {
  const std::string text = std::string(1000, 'x') + "\xE9\r\n";
  const struct {
    std::string start, more;
  } rows[] = {
      {"Content-Transfer-Encoding: 8bit\r\n\r\n", text},
      {"Content-Transfer-Encoding: 8bit\r\n\r\n", std::string(1000, '\xE9')},
      {"Content-Transfer-Encoding: base64\r\n\r\n", text},
      {"X: y\r\n", "Y: " + text},
      {"X: y\r\n", std::string(1000, 'z')},
      {"X: y\r\n\r\n", std::string(1000, 'z')},
      {"X: y\r\n\r\n", std::string(1000, '\r')},
      {"", std::string(1000, '-')},
      {"Content-Type: multipart/mixed; boundary=b\r\n\r\n", text},
      {"Content-Type: multipart/mixed; boundary=b\r\n\r\n", "--b\r\n"},
      {"Content-Type: multipart/mixed; boundary=b\r\n\r\n", "--b " + std::string(5000, ' ')},
      {"", "Content-Type: multipart/mixed; boundary=" + std::string(900, 'b') + "\r\n\r\n--" + std::string(900, 'b') +
               "\r\n"},
      {"", "Content-Type: message/rfc822\r\n\r\n"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.start, row.more.substr(0, 50));
    SevenBit seven_bit;
    std::string out;
    seven_bit.append(row.start, out);
    size_t in = row.start.size(), most_kept = 0;
    for (int i = 0; in < (2u << 20); ++i) {
      seven_bit.append(row.more, out);
      in += row.more.size();
      most_kept = std::max(most_kept, in - std::min(in, out.size()));
    }
    CHECK(most_kept <= (600u << 10));
    seven_bit.end(out);
    CHECK(out.size() >= in);
  }
}

TEST_CASE("a part with an endless header goes as it came, and the next one is itself again") {
  const std::string head = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n";
  const std::string endless = repeat("X: " + std::string(997, 'x') + "\r\n", 600) + "\r\n\xE9\r\n--b\r\n";
  CHECK((convert(head + endless + "\r\n\xE9\r\n--b--\r\n") ==
         head + endless +
             "Content-Type: text/plain; charset=unknown-8bit\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
             "=E9\r\n--b--\r\n"));
}

TEST_CASE("multiparts deeper than a hundred are leaves") {
  std::string content = "MIME-Version: 1.0\r\n";
  for (int level = 0; level < 150; ++level)
    content += "Content-Type: multipart/mixed; boundary=b" + std::to_string(level) + "\r\n\r\n--b" +
               std::to_string(level) + "\r\n";
  content += "\r\n\xE9\r\n";
  const std::string converted = convert(content);
  CHECK(util::is_ascii(converted));
  const size_t leaf = converted.find("--b99\r\n") + 7;
  CHECK(converted.substr(0, leaf) == content.substr(0, leaf));
  const std::string header =
      "Content-Type: text/plain; charset=unknown-8bit\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n";
  CHECK(converted.substr(leaf, header.size()) == header);
  CHECK(
      (decode_quoted_printable(converted.substr(leaf + header.size())) == content.substr(content.find("--b100\r\n"))));
}

// ---- against a reader that was written apart -----------------------------------------------------------------------

namespace {

// The converted mail has the same structure and the same octets, and none above 127 where that could be helped.
void check_against_reader(const std::string& content, std::mt19937& random) {
  CAPTURE(content);
  const std::string converted = convert_in_pieces(content, std::string::npos);
  CAPTURE(converted);
  REQUIRE(convert_in_pieces(content, 1) == converted);
  REQUIRE(convert_in_pieces(content, 1 + random() % 100) == converted);
  const std::vector<Piece> before = read_mail(content);
  const std::vector<Piece> after = read_mail(converted);
  REQUIRE(after.size() == before.size());
  for (size_t i = 0; i < after.size(); ++i) {
    CAPTURE(i, before[i].content, after[i].content);
    REQUIRE(after[i].kind == before[i].kind);
    REQUIRE(after[i].content == before[i].content);
    if (after[i].kind == Piece::Kind::kAround) REQUIRE(util::is_ascii(after[i].content));
    const std::string& label = before[i].encoding;
    if (after[i].kind != Piece::Kind::kLeaf) continue;
    if (label == "7bit" || label == "8bit" || label == "binary") {
      REQUIRE(util::is_ascii(after[i].raw));
    } else {
      REQUIRE(after[i].raw == before[i].raw);
    }
    if (after[i].encoding != "quoted-printable" || label == "quoted-printable") continue;
    for (const std::string_view line : lines_of(after[i].raw)) REQUIRE(line.size() <= 76);
  }
}

template <size_t N>
std::string pick(std::mt19937& random, const std::string_view (&words)[N]) {
  return std::string(words[random() % N]);
}

std::string random_text(std::mt19937& random) {
  constexpr std::string_view kWords[] = {"a", " ",    "\t",           "=",        "--",        "-",
                                         ".", "\xE9", "\xE3\x81\x82", "\r\n",     "\r\n",      "\r",
                                         ":", "b0",   "--b0--\t",     "From me ", "long long "};
  std::string text;
  for (size_t left = random() % 60; left > 0; --left) text += pick(random, kWords);
  if (random() % 8 == 0) text += std::string(random() % 5000, random() % 2 ? 'l' : '\xE9') + "--b0\r\n";
  return text;
}

constexpr std::string_view kLabels[] = {"",
                                        "",
                                        "Content-Transfer-Encoding: 7bit\r\n",
                                        "Content-Transfer-Encoding: 8bit\r\n",
                                        "Content-Transfer-Encoding:\r\n  Binary \r\n",
                                        "Content-Transfer-Encoding: base64\r\n",
                                        "Content-Transfer-Encoding: quoted-printable\r\n",
                                        "Content-Transfer-Encoding: 8bit\r\nContent-Transfer-Encoding: base64\r\n"};

// An entity behind its boundary, or a message; `depth` makes boundaries differ.
std::string random_entity(std::mt19937& random, int depth, bool is_message) {
  std::string header = is_message ? "Subject: x \xE9\r\n" : random() % 2 ? "X-Part: \xE9\r\n folded\r\n" : "";
  if (is_message && random() % 2) header += "MIME-Version: 1.0\r\n";
  const size_t kind = depth > 4 ? 0 : random() % 6;
  if (kind <= 2) {
    constexpr std::string_view kTypes[] = {"",
                                           "Content-Type: text/plain; charset=utf-8\r\n",
                                           "Content-Type: a/b\r\n",
                                           "Content-Type: message/delivery-status\r\n",
                                           "Content-Type: message/global\r\n",
                                           "Content-Type: multipart/mixed\r\n"};
    return header + pick(random, kTypes) + pick(random, kLabels) + "\r\n" + random_text(random);
  }
  if (kind == 3)
    return header + "Content-Type: message/rfc822\r\n" + pick(random, kLabels) + "\r\n" +
           random_entity(random, depth + 1, true);
  const std::string mark = "b" + std::to_string(depth);
  std::string text = header + "Content-Type: multipart/" + (random() % 4 ? "mixed" : "digest") + ";\r\n boundary=\"" +
                     mark + "\"\r\n" + pick(random, kLabels) + "\r\n" + random_text(random) + "\r\n";
  for (size_t parts = random() % 4; parts > 0; --parts)
    text += "--" + mark + "\r\n" + random_entity(random, depth + 1, false) + "\r\n";
  return random() % 5 ? text + "--" + mark + "--\r\n" + random_text(random) : text;
}

}  // namespace

TEST_CASE("trees of all kinds keep their structure and their octets") {
  std::mt19937 random(3);
  for (int round = 0; round < 1500; ++round) check_against_reader(random_entity(random, 0, true), random);
}

TEST_CASE("lines in any order keep their octets") {
  constexpr std::string_view kLines[] = {
      "\r\n",
      "\r\n",
      "\r\n",
      "--a\r\n",
      "--a\r\n",
      "--b\r\n",
      "--b\r\n",
      "--a--\r\n",
      "--b--\r\n",
      "--a-- \t\r\n",
      "--ab\r\n",
      "--\r\n",
      "X: \xE9\r\n",
      " folded \xE9\r\n",
      "\xE9 no field\r\n",
      "plain = text\r\n",
      "From \xE9\r\n",
      "MIME-Version: 1.0\r\n",
      "Content-Type: multipart/mixed; boundary=a\r\n",
      "Content-Type: multipart/digest; boundary=b\r\n",
      "Content-Type: multipart/mixed; boundary=ab\r\n",
      "Content-Type: multipart/mixed\r\n",
      "Content-Type: message/rfc822\r\n",
      "Content-Type: text/plain\r\n",
      "Content-Transfer-Encoding: 8bit\r\n",
      "Content-Transfer-Encoding: 7bit\r\n",
      "Content-Transfer-Encoding: base64\r\n",
      "\xE9",
      "x",
  };
  std::mt19937 random(4);
  for (int round = 0; round < 6000; ++round) {
    std::string content;
    for (size_t left = random() % 40; left > 0; --left) content += pick(random, kLines);
    check_against_reader(content, random);
  }
}
