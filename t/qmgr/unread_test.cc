// What cannot be read of the queue is said to the operator, with its place, instead of left out.
#include <catch2/catch.hpp>

#include <filesystem>

#include "t/lib/queue/broken_rows.h"
#include "t/qmgr/desk.h"

using namespace hikyaku;
using namespace hikyaku::qmgr;

namespace {

ipc::Selection all() { return {.all = true, .ids = {}, .sender = "", .recipient = "", .domain = ""}; }

// Messages that are held and rest.
struct Held : Desk {
  explicit Held(int messages) {
    for (int i = 0; i < messages; ++i) {
      Message& message = queue.add(envelope(1, "sender" + std::to_string(i) + "@example.com"));
      ids.push_back(message.id);
      deliveries.admit(message, kNow);
      deliveries.act(ipc::Verb::kHold, message, kNow);
    }
    queue.settle_index();
    REQUIRE(queue.ledger().messages().empty());
  }
  std::vector<uint64_t> list(const ipc::Selection& selection = {}) {
    REQUIRE(ask(command, ipc::ListQueue{selection}));
    command.read();
    std::vector<uint64_t> listed;
    for (size_t i = 0; i + 1 < command.types.size(); ++i) {
      ipc::QueueEntry entry;
      REQUIRE(ipc::decode_all(std::string_view(command.payloads[i]), entry));
      listed.push_back(entry.id.value);
    }
    CHECK(command.last<ipc::EndOfList>().count == 0);
    unread = command.last<ipc::EndOfList>().unread;
    return listed;
  }
  ipc::Acted act(ipc::Verb verb, const ipc::Selection& selection) {
    REQUIRE(ask(command, ipc::Act{verb, false, selection}));
    control.give_answers();
    command.read();
    auto acted = command.last<ipc::Acted>();
    unread = acted.unread;
    return acted;
  }
  ipc::Selection named(size_t n) const {
    return {.all = false, .ids = {queue::to_text(ids[n])}, .sender = "", .recipient = "", .domain = ""};
  }
  std::string place(size_t n) { return "message " + queue::to_text(ids[n]) + " in segment "; }
  void break_row(size_t n) { queue::spoil_text(queue.index_folder(), "sender" + std::to_string(n) + "@example.com"); }

  std::vector<queue::QueueId> ids;
  RemoteEnd command{loop, ipc::Role::kControl};
  ipc::Unread unread;
};

}  // namespace

TEST_CASE("a whole queue has nothing unread") {
  Held f(3);
  CHECK(f.list().size() == 3);
  CHECK_FALSE(f.unread.any());
  CHECK(f.act(ipc::Verb::kRelease, all()).count == 3);
  CHECK_FALSE(f.unread.any());
}

TEST_CASE("a listing ends where the index is damaged, and says so") {
  Held f(700);  // several slices
  f.break_row(500);
  size_t listed = 0;
  for (bool more = true; more;) {
    REQUIRE(f.ask(f.command, ipc::ListQueue{}));
    listed += f.command.read().size() - 1;
    const auto end = f.command.last<ipc::EndOfList>();
    more = end.count > 0;
    CHECK(end.unread.any() == !more);
    f.unread = end.unread;
  }
  CHECK(listed >= 300);
  CHECK(listed <= 500);
  CHECK_THAT(f.unread.part, Catch::Contains("table msg: " + queue::to_text(f.ids[500]) + " is damaged"));
  CHECK(f.unread.may_pass);  // the next qmgr reads the log
  CHECK(f.queue.ledger().index_failure());
}

TEST_CASE("an action that meets a damaged index says how far it came, and does nothing behind it") {
  Held f(3);
  f.break_row(1);
  CHECK(f.act(ipc::Verb::kRelease, all()).count == 1);
  CHECK_THAT(f.unread.part, Catch::Contains("table msg: " + queue::to_text(f.ids[1])));
  // Another one, before the process ends.
  CHECK(f.act(ipc::Verb::kRelease, f.named(2)).count == 0);
  CHECK_FALSE(f.unread.part.empty());
}

TEST_CASE("a message that is asked for and whose row is damaged is no unknown one") {
  Held f(2);
  f.break_row(1);
  SECTION("to show") {
    REQUIRE(f.ask(f.command, ipc::ShowMessage{queue::to_text(f.ids[1])}));
    CHECK(f.command.read() == std::vector<uint16_t>{ipc::MessageShown::kType});
    const auto shown = f.command.last<ipc::MessageShown>();
    CHECK_FALSE(shown.found);
    REQUIRE(shown.unread.messages == 1);
    CHECK_THAT(shown.unread.first.at(0), Catch::Contains(queue::to_text(f.ids[1])));
    CHECK(shown.unread.may_pass);
  }
  SECTION("to act on") {
    const auto acted = f.act(ipc::Verb::kDelete, f.named(1));
    CHECK(acted.count == 0);
    CHECK(acted.unknown.empty());
    CHECK(acted.unread.messages == 1);
    CHECK_FALSE(acted.unread.part.empty());
  }
  CHECK(f.queue.ledger().index_failure());
}

TEST_CASE("of a message whose record is damaged the listing has what the index knows, and says its place") {
  Held f(3);
  f.queue.spoil_record(f.ids[1]);
  CHECK(f.list() == std::vector{f.ids[0].value, f.ids[1].value, f.ids[2].value});
  CHECK(f.unread.messages == 1);
  REQUIRE(f.unread.first.size() == 1);
  CHECK_THAT(f.unread.first[0], Catch::StartsWith(f.place(1)) && Catch::Contains("cannot be read"));
  CHECK(f.unread.part.empty());
  CHECK_FALSE(f.unread.may_pass);
  CHECK_FALSE(f.queue.ledger().index_failure());

  REQUIRE(f.ask(f.command, ipc::ShowMessage{queue::to_text(f.ids[1])}));
  f.command.read();
  const auto shown = f.command.last<ipc::MessageShown>();
  CHECK(shown.found);
  CHECK(shown.entry.sender == "sender1@example.com");
  CHECK_THAT(shown.unread.first.at(0), Catch::StartsWith(f.place(1)));
  CHECK(f.command.descriptors == 0);
}

TEST_CASE("an action leaves alone what it cannot read, says so, and does the rest") {
  Held f(3);
  f.queue.spoil_record(f.ids[1]);
  for (const ipc::Verb verb : {ipc::Verb::kRelease, ipc::Verb::kHold, ipc::Verb::kExpire, ipc::Verb::kDelete}) {
    const auto acted = f.act(verb, all());
    CHECK(acted.count == 2);
    CHECK(acted.unread.messages == 1);
    CHECK_THAT(acted.unread.first.at(0), Catch::StartsWith(f.place(1)));
  }
  CHECK(f.list() == std::vector{f.ids[1].value});
}

TEST_CASE("a message that cannot be read is deleted when it is named, and stays so after a restart") {
  Held f(2);
  f.queue.spoil_record(f.ids[1]);
  CHECK(f.act(ipc::Verb::kDelete, f.named(1)).count == 1);
  CHECK_FALSE(f.unread.any());
  CHECK(f.act(ipc::Verb::kDelete, f.named(1)).unknown.size() == 1);
  CHECK(f.list() == std::vector{f.ids[0].value});
  CHECK_FALSE(f.unread.any());
  f.queue.settle_index();
  f.queue.expect_log_damage();
  f.queue.restart();
  const auto seen = f.queue.ledger().look(f.ids[1]);
  CHECK_FALSE(seen.message);
  CHECK_FALSE(seen.trouble);
  CHECK(f.queue.ledger().look(f.ids[0]).message);
}

TEST_CASE("a filter passes over what cannot be read only when the index knows that it does not match") {
  Held f(2);
  f.queue.spoil_record(f.ids[1]);
  const auto unread_of = [&](const std::string& sender, const std::string& recipient, const std::string& domain) {
    f.list({.all = false, .ids = {}, .sender = sender, .recipient = recipient, .domain = domain});
    return f.unread.messages;
  };
  CHECK(unread_of("sender0@example.com", "", "") == 0);
  CHECK(unread_of("sender1@example.com", "", "") == 1);
  CHECK(unread_of("", "", "example.org") == 0);
  CHECK(unread_of("", "", "example.net") == 1);
  CHECK(unread_of("", "somebody@example.org", "") == 0);
  CHECK(unread_of("", "somebody@example.net", "") == 1);  // nobody knows
}

TEST_CASE("many messages that cannot be read are counted, and the first are named") {
  Held f(25);
  for (const queue::QueueId id : f.ids) f.queue.spoil_record(id);
  CHECK(f.list().size() == 25);
  CHECK(f.unread.messages == 25);
  REQUIRE(f.unread.first.size() == ipc::Unread::kMostNamed);
  for (size_t n = 0; n < f.unread.first.size(); ++n) CHECK_THAT(f.unread.first[n], Catch::StartsWith(f.place(n)));
}

TEST_CASE("what a disk in trouble does not give now may come at another try") {
  Held f(1);
  const std::string segment =
      f.queue.log_folder() + "/" + queue::numbered_name("", f.queue.writer().durable_end().segment);
  f.queue.close_and_restart();  // it has the file open
  std::filesystem::rename(segment, segment + ".away");
  std::filesystem::create_directory(segment);  // it can be opened, and not read
  const auto seen = f.queue.ledger().look(f.ids[0]);
  REQUIRE(seen.trouble);
  CHECK_FALSE(seen.trouble->permanent);
  std::filesystem::remove(segment);
  std::filesystem::rename(segment + ".away", segment);
}

TEST_CASE("a message that only the journal knows and that cannot be read is in the listing's account") {
  Desk f;
  RemoteEnd command(f.loop, ipc::Role::kControl);
  const queue::QueueId lost = f.admit();
  const uint32_t segment = f.queue.ledger().find(lost)->place.segment;
  while (f.queue.writer().durable_end().segment == segment) f.queue.ledger().complete(f.queue.add(envelope(), 3000));
  REQUIRE(f.queue.ledger().sync());
  f.queue.spoil_record(lost);
  f.queue.restart();
  Deliveries deliveries(f.queue.ledger(), f.logger, small_config());
  Workers workers(deliveries, f.queue.reader(), f.logger, f.folder.path());
  Control control(f.queue.ledger(), deliveries, workers);
  std::string storage;
  ipc::Frame frame = frame_of(ipc::ListQueue{}, storage);
  REQUIRE(control.on_frame(command.peer, frame));
  CHECK(command.read() == std::vector<uint16_t>{ipc::EndOfList::kType});
  const auto unread = command.last<ipc::EndOfList>().unread;
  CHECK(unread.messages == 1);
  CHECK_THAT(unread.first.at(0), Catch::StartsWith("message " + queue::to_text(lost) + " in segment "));
  CHECK_FALSE(unread.may_pass);

  CHECK(deliveries.delete_unreadable(lost));
  CHECK_FALSE(deliveries.delete_unreadable(lost));
  REQUIRE(f.queue.ledger().sync());
  f.queue.restart();
  CHECK(f.queue.ledger().unreadable().empty());
}
