// What becomes of content on its way out: only what this server and main.cf want, and in the right order.
#include "smtp-client/wire_form.h"

#include <catch2/catch.hpp>

using namespace hikyaku;
using smtp_client::WireForm;
using smtp_client::WireRules;

namespace {

constexpr WireRules kUsual{.makes_seven_bit = true, .line_length_limit = 998};

queue::Place flagged(uint32_t flags) {
  queue::Place place;
  place.flags = flags;
  return place;
}

std::string sent(WireForm form, std::string_view content, size_t piece = std::string_view::npos) {
  std::string wire;
  for (; !content.empty(); content.remove_prefix(std::min(piece, content.size()))) {
    const std::string_view next = content.substr(0, piece);
    if (form.changes()) {
      form.append(next, wire);
    } else {
      form.seen(next);
      wire += next;
    }
  }
  form.end(wire);
  return wire;
}

}  // namespace

TEST_CASE("content is only looked at when something in it may have to change") {
  const struct {
    WireRules rules;
    uint32_t flags;
    bool takes_eight_bit;
    bool changes;
  } rows[] = {
      {kUsual, 0, true, false},
      {kUsual, 0, false, false},
      {kUsual, queue::kEightBit, true, false},
      {kUsual, queue::kEightBit, false, true},
      {{false, 998}, queue::kEightBit, false, false},
      {{false, 0}, queue::kEightBit, false, false},
      {{true, 0}, queue::kEightBit, false, true},
      {kUsual, queue::kHasDotLine, true, true},
      {kUsual, queue::kHasLongLine, true, true},
      {{true, 0}, queue::kHasLongLine, true, false},
      {{true, 5000}, queue::kHasLongLine, true, true},
      {{true, 5000}, 0, true, false},
      {{true, 997}, 0, true, true},
  };
  for (const auto& row : rows) {
    CAPTURE(row.rules.makes_seven_bit, row.rules.line_length_limit, row.flags, row.takes_eight_bit);
    CHECK(WireForm(row.rules, flagged(row.flags), row.takes_eight_bit).changes() == row.changes);
  }
}

TEST_CASE("content is made 7-bit, then folded, then its dots are doubled") {
  for (const size_t piece : {1ul, 3ul, 1000ul}) {
    CAPTURE(piece);
    CHECK(sent(WireForm(kUsual, flagged(0), true), "a: b\r\n\r\nc", piece) == "a: b\r\n\r\nc\r\n.\r\n");
    CHECK(sent(WireForm(kUsual, flagged(queue::kHasDotLine), true), "a: b\r\n\r\n.\r\n", piece) ==
          "a: b\r\n\r\n..\r\n.\r\n");
    // A line that is broken before a dot does not begin with one.
    CHECK(sent(WireForm({true, 4}, flagged(0), true), "1234.678\r\n", piece) == "1234\r\n .67\r\n 8\r\n.\r\n");
    // A soft line break puts a dot where none was.
    const std::string head = "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n";
    const std::string soft = std::string(75, 'x');
    CHECK(sent(WireForm(kUsual, flagged(queue::kEightBit), false), head + "\r\n" + soft + ".\xE9\r\n", piece) ==
          head + "Content-Transfer-Encoding: quoted-printable\r\n\r\n" + soft + "=\r\n..=E9\r\n.\r\n");
    // What goes as it came is folded, and what is escaped is not too long.
    const std::string part = "Content-Transfer-Encoding: base64\r\n\r\n" + std::string(1000, 'x');
    CHECK(sent(WireForm(kUsual, flagged(queue::kEightBit), false), part, piece) ==
          "Content-Transfer-Encoding: base64\r\n\r\n" + std::string(998, 'x') + "\r\n xx\r\n.\r\n");
  }
}
