// LMDB behind owners: a transaction that keeps its first failure, and a cursor. For the index alone.
#pragma once

#include <lmdb.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "util/error.h"

namespace hikyaku::queue {

struct IndexTables {
  MDB_dbi meta = 0, message = 0, recipient = 0, ready = 0, wake = 0, domain = 0, taken = 0, segment = 0;
};

inline constexpr int kIndexTables = 8;

inline MDB_val to_value(std::string_view bytes) { return {bytes.size(), const_cast<char*>(bytes.data())}; }
inline std::string_view to_bytes(const MDB_val& value) {
  return {static_cast<const char*>(value.mv_data), value.mv_size};
}

// Whether LMDB says by this that it met in its file what it never wrote. A walk down the tree that is too long for any
// tree (MDB_CURSOR_FULL) went in a circle.
bool is_damage(int code);

// "index: write: No space left on device"; what was found damaged is named by `damage`, when that is not empty.
// Permanent when this environment will never work again and the program must start anew (a meta page could not be
// written), or when the file is broken.
std::unexpected<util::Error> index_error(std::string_view what, int code, std::string_view damage = {});

// After a failure every call does nothing, so that only the end has to ask.
class IndexTransaction {
 public:
  // `flags` is 0 or MDB_RDONLY. One that is not committed is undone.
  IndexTransaction(MDB_env* environment, unsigned flags) {
    code_ = mdb_txn_begin(environment, nullptr, flags, &transaction_);
  }
  IndexTransaction(const IndexTransaction&) = delete;
  IndexTransaction& operator=(const IndexTransaction&) = delete;
  ~IndexTransaction() {
    if (transaction_ != nullptr) mdb_txn_abort(transaction_);
  }

  // Made when it is not there.
  void open_table(const char* name, MDB_dbi& table);
  // The bytes stay until the next change or the end.
  std::optional<std::string_view> get(MDB_dbi table, std::string_view key);
  void put(MDB_dbi table, std::string_view key, std::string_view value);
  // False when it was not there.
  bool erase(MDB_dbi table, std::string_view key);
  uint64_t entries(MDB_dbi table) { return stat(table).ms_entries; }
  uint64_t pages(MDB_dbi table);

  int commit();
  int code() const { return code_; }
  // A value that the program never wrote was found: `where` names it, as "table msg: ID". A failure before it counts.
  void found_damage(std::string where);
  const std::string& damage() const { return damage_; }

 private:
  friend class IndexCursor;

  bool ok(int code, int harmless = 0);
  MDB_stat stat(MDB_dbi table);

  MDB_txn* transaction_ = nullptr;
  int code_ = 0;
  std::string damage_;
};

// Stands on an entry, or on none at the end or after a failure of the transaction, which must outlive it.
class IndexCursor {
 public:
  IndexCursor(IndexTransaction& transaction, MDB_dbi table) : transaction_(transaction) {
    if (transaction.code_ == 0) transaction.code_ = mdb_cursor_open(transaction.transaction_, table, &cursor_);
  }
  IndexCursor(const IndexCursor&) = delete;
  IndexCursor& operator=(const IndexCursor&) = delete;
  ~IndexCursor() {
    if (cursor_ != nullptr) mdb_cursor_close(cursor_);
  }

  // To the first key that is not less.
  bool seek(std::string_view key) { return move(key.empty() ? MDB_FIRST : MDB_SET_RANGE, key); }
  bool next() { return move(MDB_NEXT, {}); }
  std::string_view key() const { return to_bytes(key_); }
  std::string_view value() const { return to_bytes(value_); }

 private:
  bool move(MDB_cursor_op how, std::string_view key);

  IndexTransaction& transaction_;
  MDB_cursor* cursor_ = nullptr;
  MDB_val key_{}, value_{};
};

}  // namespace hikyaku::queue
