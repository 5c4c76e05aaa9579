// Damages an index as bits that rot would.
#include "t/lib/queue/broken_rows.h"

#include <lmdb.h>
#include <catch2/catch.hpp>

#include <cstring>
#include <fstream>
#include <iterator>
#include <tuple>
#include <vector>

namespace hikyaku::queue {
namespace {

void must(int code) {
  if (code != 0) FAIL(mdb_strerror(code));
}

MDB_val bytes_of(std::string& text) { return {text.size(), text.data()}; }

std::string text_of(const MDB_val& value) { return {static_cast<const char*>(value.mv_data), value.mv_size}; }

std::string read(const std::string& folder) {
  std::ifstream in(folder + "/data.mdb", std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

size_t change_rows(const std::string& folder, const std::string& table,
                   const std::function<void(std::string& key, std::string& value)>& change) {
  MDB_env* environment = nullptr;
  MDB_txn* transaction = nullptr;
  MDB_cursor* cursor = nullptr;
  MDB_dbi handle = 0;
  must(mdb_env_create(&environment));
  must(mdb_env_set_maxdbs(environment, 16));
  must(mdb_env_open(environment, folder.c_str(), 0, 0600));
  must(mdb_txn_begin(environment, nullptr, 0, &transaction));
  must(mdb_dbi_open(transaction, table.c_str(), 0, &handle));
  must(mdb_cursor_open(transaction, handle, &cursor));
  std::vector<std::tuple<std::string, std::string, std::string>> changed;  // key before, key, value
  MDB_val key{}, value{};
  while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
    std::string new_key = text_of(key), new_value = text_of(value);
    change(new_key, new_value);
    if (new_key != text_of(key) || new_value != text_of(value)) changed.emplace_back(text_of(key), new_key, new_value);
  }
  mdb_cursor_close(cursor);
  for (auto& [before, after, text] : changed) {
    MDB_val old_key = bytes_of(before), put_key = bytes_of(after), put_value = bytes_of(text);
    must(mdb_del(transaction, handle, &old_key, nullptr));
    if (!after.empty()) must(mdb_put(transaction, handle, &put_key, &put_value, 0));
  }
  must(mdb_txn_commit(transaction));
  mdb_env_close(environment);
  return changed.size();
}

void flip_values(const std::string& folder, const std::string& table,
                 const std::function<bool(const std::string& key)>& wanted) {
  const size_t changed = change_rows(folder, table, [&](std::string& key, std::string& value) {
    if (!wanted || wanted(key)) value.at(value.size() / 2) ^= 1;
  });
  REQUIRE(changed > 0);
}

// LMDB sees it, as it maps the file. A file that is written anew would be cut first, and that it would not survive.
void spoil_text(const std::string& folder, const std::string& text) {
  const std::string bytes = read(folder);
  std::fstream file(folder + "/data.mdb", std::ios::in | std::ios::out | std::ios::binary);
  size_t at = bytes.find(text);
  REQUIRE(at != std::string::npos);
  for (; at != std::string::npos; at = bytes.find(text, at + 1)) {
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(bytes[at] ^ 1));
  }
}

// LMDB's page: number (8 bytes), padding (2), flags (2), end of the array of offsets (2), begin of the nodes (2), the
// array. A branch's node begins with its child's number: 16 bits, 16 bits, 16 bits.
void close_circles(const std::string& folder) {
  constexpr size_t kPage = 4096, kHeader = 16;
  constexpr uint16_t kBranch = 1;
  std::string bytes = read(folder);
  const auto number_at = [&](size_t at) {
    uint16_t number = 0;
    std::memcpy(&number, bytes.data() + at, sizeof number);
    return number;
  };
  size_t closed = 0;
  for (size_t page = 2 * kPage; page + kPage <= bytes.size(); page += kPage) {
    if (number_at(page + 10) != kBranch) continue;
    for (size_t at = page + kHeader; at < page + number_at(page + 12); at += 2, ++closed)
      std::memcpy(bytes.data() + page + number_at(at), bytes.data() + page, 6);
  }
  REQUIRE(closed > 0);
  std::ofstream(folder + "/data.mdb", std::ios::binary) << bytes;
}

}  // namespace hikyaku::queue
