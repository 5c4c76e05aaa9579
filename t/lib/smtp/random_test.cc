// Both sessions against peers that say anything: fixed seeds, so a failure comes again.
#include <catch2/catch.hpp>
#include <map>
#include <random>

#include "t/lib/smtp/client_dialog.h"
#include "t/lib/smtp/server_dialog.h"

using namespace hikyaku;
using namespace hikyaku::smtp;

namespace {

template <size_t N>
std::string_view pick(std::mt19937& random, const std::string_view (&words)[N]) {
  return words[random() % N];
}

}  // namespace

TEST_CASE("a server's session answers the same whatever the split of what it is told") {
  constexpr std::string_view kWords[] = {
      "EHLO c\r\n",
      "MAIL FROM:<a@example.jp>\r\n",
      "MAIL FROM:<a@example.jp> SIZE=9\r\n",
      "RCPT TO:<b@example.com>\r\n",
      "DATA\r\n",
      ".\r\n",
      "\r\n.\r\n",
      "..x\r\n",
      "RSET\r\n",
      "NOOP\r\n",
      "x",
      "\n",
      "\r",
      ".",
      "RCPT TO:<>\r\n",
      "\xFF\r\n",
      "QUIT\r\n",
      "FOO\n",
      "DATA\r\nx\r\n.\r\n",
      "RCPT TO:<c@example.com>\n",
  };
  for (unsigned seed = 0; seed < 400; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    std::string input = seed % 2 ? "EHLO c\r\nMAIL FROM:<a@example.jp>\r\nRCPT TO:<b@example.com>\r\n" : "";
    for (int i = 0; i < 40; ++i) input += pick(random, kWords);
    ServerOptions options = ServerDialog::relaying();
    options.soft_error_limit = 3;
    options.ask_sender = options.ask_recipient = seed % 3 == 0;
    ServerDialog whole(options), pieces(options);
    whole.say(input);
    for (std::string_view rest = input; !rest.empty();) {
      const std::string_view piece = rest.substr(0, 1 + random() % 9);
      pieces.say(piece);
      rest.remove_prefix(piece.size());
    }
    REQUIRE(pieces.replies == whole.replies);
    REQUIRE(pieces.messages == whole.messages);
    REQUIRE(pieces.rejections == whole.rejections);
    REQUIRE(pieces.session.command_counts() == whole.session.command_counts());
  }
}

TEST_CASE(
    "every job given to a client's session comes back exactly once, and as sent only with a 2xx after its content") {
  constexpr std::string_view kReplies[] = {
      "250 2.0.0 Ok\r\n", "250 2.0.0 Ok\r\n", "250 2.0.0 Ok\r\n", "250 2.0.0 Ok\r\n",   "354 Go\r\n",
      "354 Go\r\n",       "550 5.1.1 No\r\n", "450 4.2.0 Hm\r\n", "250-a\r\n250 b\r\n", "421 4.3.2 Down\r\n",
  };
  size_t sent = 0, returned = 0, failed = 0;
  for (unsigned seed = 0; seed < 2000; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    ClientDialog client(seed % 4 != 0);
    client.greet("PIPELINING");
    std::map<uint64_t, int> jobs;  // id -> times it came back
    std::map<uint64_t, bool> content_sent;
    uint64_t next = 1;
    std::vector<ClientAction> out;
    const auto look = [&] {
      for (const ClientAction& action : out) {
        if (const auto* done = std::get_if<JobDone>(&action)) {
          ++jobs[done->job];
          for (const DeliveryResult& result : done->results) {
            if (result.outcome == Outcome::kSent && (!content_sent[done->job] || result.reply.code / 100 != 2))
              FAIL("a message counts as sent that was not");
            ++(result.outcome == Outcome::kSent ? sent : failed);
          }
        }
        if (const auto* back = std::get_if<JobReturned>(&action)) {
          ++jobs[back->job];
          ++returned;
        }
        if (const auto* content = std::get_if<SendContent>(&action)) content_sent[content->job] = false;
      }
      out.clear();
    };
    for (int step = 0; step < 60 && !client.session.closed(); ++step) {
      if (client.session.ready() && random() % 3) {
        jobs[next] = 0;
        client.session.start(
            {next++, "a@example.jp", std::vector<Recipient>(1 + random() % 3, Recipient{"b@example.com"}), 1}, out);
      } else if (random() % 2) {
        for (auto& [job, is_sent] : content_sent) is_sent = true;
        client.session.content_sent(out);
      } else {
        // Mostly what is in order, or no message would ever come through.
        const std::string_view right = client.session.stage() == Stage::kDataInit ? "354 Go\r\n" : "250 2.0.0 Ok\r\n";
        const bool speaks = client.session.stage() != Stage::kIdle || random() % 10 == 0;
        if (speaks) client.session.receive(random() % 8 ? right : pick(random, kReplies), out);
      }
      look();
    }
    random() % 2 ? client.session.lost(out) : client.session.timed_out(out);
    look();
    for (const auto& [job, times] : jobs) REQUIRE(times == 1);
  }
  // All three ends were reached often.
  CHECK(sent > 50);
  CHECK(returned > 50);
  CHECK(failed > 50);
}
