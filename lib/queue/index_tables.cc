// LMDB behind owners.
#include "queue/index_tables.h"

namespace hikyaku::queue {

bool is_damage(int code) {
  return code == MDB_CORRUPTED || code == MDB_PAGE_NOTFOUND || code == MDB_CURSOR_FULL || code == MDB_INVALID ||
         code == MDB_VERSION_MISMATCH;
}

std::unexpected<util::Error> index_error(std::string_view what, int code, std::string_view damage) {
  std::string text = "index: " + std::string(what) + ": ";
  text += damage.empty() ? mdb_strerror(code) : std::string(damage) + " is damaged";
  return std::unexpected(util::Error{std::move(text), code == MDB_PANIC || is_damage(code)});
}

bool IndexTransaction::ok(int code, int harmless) {
  if (code != 0 && code != harmless) code_ = code;
  return code == 0;
}

void IndexTransaction::found_damage(std::string where) {
  if (code_ != 0) return;
  code_ = MDB_CORRUPTED;
  damage_ = std::move(where);
}

void IndexTransaction::open_table(const char* name, MDB_dbi& table) {
  if (code_ == 0) code_ = mdb_dbi_open(transaction_, name, MDB_CREATE, &table);
}

std::optional<std::string_view> IndexTransaction::get(MDB_dbi table, std::string_view key) {
  if (code_ != 0) return std::nullopt;
  MDB_val bytes = to_value(key), value;
  if (!ok(mdb_get(transaction_, table, &bytes, &value), MDB_NOTFOUND)) return std::nullopt;
  return to_bytes(value);
}

void IndexTransaction::put(MDB_dbi table, std::string_view key, std::string_view value) {
  if (code_ != 0) return;
  MDB_val bytes = to_value(key), stored = to_value(value);
  ok(mdb_put(transaction_, table, &bytes, &stored, 0));
}

bool IndexTransaction::erase(MDB_dbi table, std::string_view key) {
  if (code_ != 0) return false;
  MDB_val bytes = to_value(key);
  return ok(mdb_del(transaction_, table, &bytes, nullptr), MDB_NOTFOUND);
}

MDB_stat IndexTransaction::stat(MDB_dbi table) {
  MDB_stat facts{};
  if (code_ == 0) ok(mdb_stat(transaction_, table, &facts));
  return facts;
}

uint64_t IndexTransaction::pages(MDB_dbi table) {
  const MDB_stat facts = stat(table);
  return facts.ms_branch_pages + facts.ms_leaf_pages + facts.ms_overflow_pages;
}

int IndexTransaction::commit() {
  if (code_ == 0) code_ = mdb_txn_commit(std::exchange(transaction_, nullptr));  // its memory is freed in any case
  return code_;
}

bool IndexCursor::move(MDB_cursor_op how, std::string_view key) {
  if (transaction_.code_ != 0) return false;
  key_ = to_value(key);
  return transaction_.ok(mdb_cursor_get(cursor_, &key_, &value_, how), MDB_NOTFOUND);
}

}  // namespace hikyaku::queue
