// Goes through the queue by id.
#include "qmgr/walk.h"

#include <algorithm>

namespace hikyaku::qmgr {

namespace {

constexpr size_t kRowsAtOnce = 300;

}  // namespace

Walk::Walk(Ledger& ledger) : ledger_(&ledger) {
  ids_.reserve(ledger.messages().size());
  for (const auto& [id, message] : ledger.messages()) ids_.push_back(message.id);
  for (const queue::Moved& lost : ledger.unreadable()) ids_.push_back(lost.id);
  std::sort(ids_.begin(), ids_.end());
}

Walk::Walk(Ledger& ledger, std::vector<queue::QueueId> ids) : ledger_(&ledger), ids_(std::move(ids)), rows_end_(true) {
  std::sort(ids_.begin(), ids_.end());
  ids_.erase(std::unique(ids_.begin(), ids_.end()), ids_.end());
}

// False when there are no more rows.
bool Walk::fill() {
  if (next_row_ < rows_.size()) return true;
  if (rows_end_) return false;
  const queue::QueueId from{rows_.empty() ? 0 : rows_.back().id.value + 1};
  rows_.clear();
  next_row_ = 0;
  if (auto listed = ledger_->list_resting(from, kRowsAtOnce, rows_); !listed) error_ = listed.error();
  rows_end_ = rows_.empty();
  return !rows_end_;
}

std::optional<queue::QueueId> Walk::next() {
  const bool has_row = fill();
  const bool has_id = next_id_ < ids_.size();
  if (!has_row && !has_id) return std::nullopt;
  if (!has_row || (has_id && ids_[next_id_] < rows_[next_row_].id)) return ids_[next_id_++];
  const queue::QueueId id = rows_[next_row_++].id;
  if (has_id && ids_[next_id_] == id) ++next_id_;
  return id;
}

size_t Walk::left() { return ids_.size() - next_id_ + (fill() ? rows_.size() - next_row_ : 0); }

}  // namespace hikyaku::qmgr
