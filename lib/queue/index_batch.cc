// Changes of the index inside one transaction.
#include "queue/index_batch.h"

#include <algorithm>

namespace hikyaku::queue {

std::optional<RestingMessage> read_message(IndexTransaction& transaction, const IndexTables& tables, QueueId id) {
  const auto value = transaction.get(tables.message, message_key(id));
  if (!value) return std::nullopt;
  auto parsed = parse_message_value(id, *value);
  if (!parsed) {
    transaction.found_damage("table msg: " + to_text(id));
    return std::nullopt;
  }
  if (!parsed->has_differing) return std::move(parsed->message);
  IndexCursor cursor(transaction, tables.recipient);
  for (bool more = cursor.seek(recipient_key(id, 0)); more; more = cursor.next()) {
    const auto index = parse_recipient_key(cursor.key(), id);
    if (!index) break;
    auto rest = parse_recipient_value(id, *index, cursor.value());
    if (!rest) transaction.found_damage("table rcpt: " + to_text(id));
    if (rest) parsed->message.differing.push_back({*index, std::move(*rest)});
  }
  if (parsed->message.differing.empty()) transaction.found_damage("table rcpt: " + to_text(id));  // there is none
  if (transaction.code() != 0) return std::nullopt;
  return std::move(parsed->message);
}

uint32_t find_first_due(IndexTransaction& transaction, const IndexTables& tables, std::string_view domain) {
  uint32_t first = UINT32_MAX;
  IndexCursor cursor(transaction, tables.ready);
  const std::string own = domain_key(domain);
  std::string from = own;
  while (cursor.seek(from) && cursor.key().starts_with(own)) {
    const auto key = parse_ready_key(cursor.key());
    if (!key) {
      transaction.found_damage("table ready: a key");
      break;
    }
    first = std::min(first, key->due);
    from = ready_prefix(key->domain, key->lane, key->group);
    from.append(4 + 8 + 1, '\xff');  // behind the last key of this group
  }
  return first;
}

IndexBatch::DomainWork& IndexBatch::domain(std::string_view name) {
  if (const auto found = domains_.find(name); found != domains_.end()) return found->second;
  DomainWork& work = domains_[std::string(name)];
  if (const auto value = transaction_.get(tables_.domain, domain_key(name))) {
    const auto row = parse_domain_value(*value);
    if (!row) transaction_.found_damage("table domain: a row");
    work.existed = true;
    work.before = work.row = row.value_or(DomainRow{});
  }
  return work;
}

void IndexBatch::add_ready(const ReadyKey& key) {
  transaction_.put(tables_.ready, ready_key(key), {});
  DomainWork& work = domain(key.domain);
  ++work.row.messages;
  work.row.first_due = std::min(work.row.first_due, key.due);
}

void IndexBatch::remove_ready(const ReadyKey& key) {
  if (!transaction_.erase(tables_.ready, ready_key(key))) return;
  DomainWork& work = domain(key.domain);
  --work.row.messages;
  work.look_again = work.look_again || key.due <= work.row.first_due;
}

void IndexBatch::count(const Place& place, int64_t messages) {
  SegmentWork& work = segments_[place.segment];
  work.messages += messages;
  work.bytes += messages * static_cast<int64_t>(place.envelope_length + place.content_length);
}

void IndexBatch::clear(const RestingMessage& message) {
  const bool taken = transaction_.erase(tables_.taken, message_key(message.id));
  if (!taken)
    for (const ReadyKey& key : ready_keys(message)) remove_ready(key);
  for (const DifferingRecipient& recipient : message.differing)
    transaction_.erase(tables_.recipient, recipient_key(message.id, recipient.index));
  count(message.place, -1);
}

void IndexBatch::apply(const PutMessage& change) {
  const RestingMessage& message = change.message;
  if (const auto before = read_message(transaction_, tables_, message.id)) clear(*before);
  transaction_.put(tables_.message, message_key(message.id), message_value(message));
  for (const DifferingRecipient& recipient : message.differing)
    transaction_.put(tables_.recipient, recipient_key(message.id, recipient.index),
                     recipient_value(message.id, recipient));
  for (const ReadyKey& key : ready_keys(message)) add_ready(key);
  count(message.place, 1);
}

void IndexBatch::apply(const TakeMessage& change) {
  const auto message = read_message(transaction_, tables_, change.id);
  if (!message) return;
  for (const ReadyKey& key : ready_keys(*message)) remove_ready(key);
  transaction_.put(tables_.taken, message_key(change.id), {});
}

void IndexBatch::apply(const RemoveMessage& change) {
  const auto message = read_message(transaction_, tables_, change.id);
  if (!message) return;
  clear(*message);
  transaction_.erase(tables_.message, message_key(change.id));
}

void IndexBatch::apply(const MoveMessage& change) {
  auto message = read_message(transaction_, tables_, change.id);
  if (!message) return;
  count(message->place, -1);
  message->place = change.place;
  count(message->place, 1);
  transaction_.put(tables_.message, message_key(change.id), message_value(*message));
}

void IndexBatch::apply(const BlockDomain& change) {
  domain(key_domain(change.domain)).row.blocked_until = kept_seconds(change.until);
}

void IndexBatch::apply(const IndexPosition& change) {
  transaction_.put(tables_.meta, "position", position_value(change));
}

void IndexBatch::finish() {
  for (auto& [name, work] : domains_) finish_domain(name, work);
  for (const auto& [number, work] : segments_) finish_segment(number, work);
}

void IndexBatch::finish_domain(const std::string& name, DomainWork& work) {
  if (work.row.messages == 0) work.row = {};  // also forgets that it was blocked: qmgr knows, and says it again
  if (work.look_again && work.row.messages > 0) work.row.first_due = find_first_due(transaction_, tables_, name);
  if (work.existed && work.row == work.before) return;
  if (work.existed && (work.row.messages == 0 || work.row.wake() != work.before.wake()))
    transaction_.erase(tables_.wake, wake_key({work.before.wake(), name}));
  if (work.row.messages == 0) {
    transaction_.erase(tables_.domain, domain_key(name));
    return;
  }
  if (!work.existed || work.row.wake() != work.before.wake())
    transaction_.put(tables_.wake, wake_key({work.row.wake(), name}), {});
  transaction_.put(tables_.domain, domain_key(name), domain_value(work.row));
}

void IndexBatch::finish_segment(uint32_t number, const SegmentWork& work) {
  if (work.messages == 0 && work.bytes == 0) return;
  SegmentRow row;
  if (const auto value = transaction_.get(tables_.segment, segment_key(number))) {
    const auto known = parse_segment_value(*value);
    if (!known) return transaction_.found_damage("table segment: " + std::to_string(number));
    row = *known;
  }
  row.messages += static_cast<uint64_t>(work.messages);
  row.bytes += static_cast<uint64_t>(work.bytes);
  if (row.messages == 0) {
    transaction_.erase(tables_.segment, segment_key(number));
  } else {
    transaction_.put(tables_.segment, segment_key(number), segment_value(row));
  }
}

}  // namespace hikyaku::queue
