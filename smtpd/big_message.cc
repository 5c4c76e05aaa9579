// One client's message that is too big to be gathered: its body goes into a file while it arrives.
#include <algorithm>

#include "log/logger.h"
#include "mime/header_block.h"
#include "smtpd/connection.h"

namespace hikyaku::smtpd {

namespace {

const smtp::Reply kHeaderTooLong{552, "5.3.4", "Error: message header is too long"};
const smtp::Reply kNoSpace{452, "4.3.1", "Insufficient system storage"};

// So much goes to cleanup with the header at least: it looks at the first bytes of a content without one too.
constexpr size_t kLeastHead = 1024;

// How much of the content cleanup needs to treat the header; nothing when the header is not at its end yet.
std::optional<size_t> head_length(std::string_view gathered) {
  const size_t header = mime::HeaderBlock(gathered).body();
  if (header >= gathered.size()) return std::nullopt;
  return std::max(header, std::min(kLeastHead, gathered.size()));
}

}  // namespace

void Connection::perform(smtp::ContentPiece& piece) {
  if (!big_) return;  // given up
  big_->writer.append(piece.bytes);
  look_for_failure();
}

void Connection::perform(smtp::BigContent& begun) {
  const std::string_view gathered = begun.bytes;
  const smtp::Transaction& transaction = begun.transaction;
  big_.emplace(around_.disk);
  const auto head = head_length(gathered);
  if (!head) {
    big_->refusal = kHeaderTooLong;
    return big_->writer.give_up();
  }
  request_ = around_.queue.begin_body(
      envelope_of(transaction), transaction.size.value_or(0), gathered.substr(0, *head),
      [this](os::UniqueFd file) { body_given(std::move(file)); },
      [this](const StoreResult& result) { big_answered(result); });
  big_->writer.append(gathered.substr(*head));
}

void Connection::body_given(os::UniqueFd file) {
  big_->writer.open(std::move(file));
  look_for_failure();
  if (big_->whole) complete_big();
  act();
}

// Space that a message cannot use is given back at once; the client is told at its end.
void Connection::look_for_failure() {
  if (!big_->writer.failure() || big_->refusal) return;
  around_.logger.warning("a message cannot be received: " + big_->writer.failure()->text);
  big_->refusal = kNoSpace;
  around_.queue.drop_body(std::exchange(request_, 0));
}

// Before the end of the content it is a refusal, of which the client is told there.
void Connection::big_answered(const StoreResult& result) {
  if (big_->whole) return stored(result);
  request_ = 0;
  big_->refusal = result.reply;
  big_->writer.give_up();
  act();
}

void Connection::complete_big() {
  BodyWriter& writer = big_->writer;
  if (big_->refusal) {
    big_->handed_over = true;
    request_ = around_.queue.refuse(*big_->refusal, [this](const StoreResult& result) { stored(result); });
  } else if (writer.is_open()) {
    big_->handed_over = true;
    writer.start_writeback();
    around_.queue.complete_body(request_, writer.length(), writer.crc(), big_->flags);
  }  // else the file has not come yet
}

void Connection::give_up_big() {
  if (!big_ || big_->handed_over) return;
  if (request_ != 0) around_.queue.drop_body(std::exchange(request_, 0));
  big_.reset();
}

}  // namespace hikyaku::smtpd
