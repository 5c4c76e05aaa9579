// Opening, changing, syncing and listing the index.
#include "queue/index.h"

#include <fmt/format.h>

#include <algorithm>

#include "queue/index_batch.h"
#include "queue/index_check.h"
#include "queue/index_tables.h"
#include "queue/little_endian.h"

namespace hikyaku::queue {
namespace {

constexpr unsigned kReaders = 16;  // qmgr's loop, and whoever looks with LMDB's own tools
constexpr std::string_view kBallastName = "ballast";
constexpr std::string_view kBrokenName = "broken";  // a mark: LMDB has met what it never wrote
constexpr std::string_view kNewName = "new-data.mdb";
// Disk that must be free for the ballast to be taken back, times its size: so that it is not given up at once again.
constexpr uint64_t kRoomForBallast = 4;

std::atomic<bool> open_in_process{false};

// What stays for removals: they copy the pages on the way to what they remove before those are free again.
uint64_t removal_reserve(uint64_t map_size) {
  return std::max(map_size / 20, std::min(map_size / 4, uint64_t{1} << 20));
}

// Neighbours share pages, and a page is copied once in a transaction. Changes of one message stay in their order, and
// between messages it makes no difference.
std::vector<const IndexChange*> by_id(std::span<const IndexChange> changes) {
  std::vector<std::pair<uint64_t, const IndexChange*>> keyed;
  keyed.reserve(changes.size());
  for (const IndexChange& change : changes)
    keyed.emplace_back(message_of(change).value_or(QueueId{UINT64_MAX}).value, &change);
  std::ranges::stable_sort(keyed, {}, [](const auto& entry) { return entry.first; });
  std::vector<const IndexChange*> sorted;
  sorted.reserve(keyed.size());
  for (const auto& [id, change] : keyed) sorted.push_back(change);
  return sorted;
}

// Of messages from this one on; for 0 the first of all, also one that no message has.
std::string first_key(QueueId from) { return from.value == 0 ? std::string() : message_key(from); }

}  // namespace

// ---- opening -----------------------------------------------------------------------------------------------------

void Index::CloseEnvironment::operator()(MDB_env* environment) const { mdb_env_close(environment); }

Index::Index(Disk& disk, std::string folder, IndexOptions options)
    : disk_(disk), folder_(std::move(folder)), options_(options), tables_(std::make_unique<IndexTables>()) {
  util::ensure(!open_in_process.exchange(true), "a process has one index open");
}

Index::~Index() {
  environment_.reset();
  open_in_process = false;
}

util::Result<std::unique_ptr<Index>> Index::open(Disk& disk, const std::string& folder, IndexOptions options) {
  std::unique_ptr<Index> index(new Index(disk, folder, options));
  const auto names = disk.list(folder);
  if (!names) return std::unexpected(names.error());
  if (is_marked_broken(*names)) index->damage_ = "index: found broken";
  if (index->damage_.empty())
    if (auto opened = index->open_data(); !opened) {
      if (!index->is_broken()) return std::unexpected(opened.error());
      index->damage_ = opened.error().text;
    }
  if (!index->damage_.empty()) {
    if (auto aside = index->set_aside(); !aside) return std::unexpected(aside.error());
    if (auto opened = index->open_data(); !opened) return std::unexpected(opened.error());
  }
  // LMDB syncs what is in its files, and not that there are such files.
  if (auto synced = disk.sync_folder(folder); !synced) return std::unexpected(synced.error());
  index->take_back_ballast();
  index->judge_room();
  return index;
}

util::Result<void> Index::open_data() {
  if (auto made = make(); !made) return made;
  if (auto opened = open_environment(folder_, 0); !opened) return opened;
  return open_tables();
}

util::Result<void> Index::set_aside() {
  environment_.reset();
  failure_.reset();
  is_broken_ = false;
  const auto names = disk_.list(folder_);
  if (!names) return std::unexpected(names.error());
  uint32_t number = 1;
  const auto name = [&] { return fmt::format("damaged-{}.mdb", number); };
  while (std::ranges::find(*names, name()) != names->end()) ++number;
  const std::string aside = path_of(name());
  if (std::ranges::find(*names, kIndexFile) != names->end())
    if (auto renamed = disk_.rename(path_of(kIndexFile), aside); !renamed) return renamed;
  damage_ += "; set aside as " + aside;
  (void)disk_.unlink(path_of("lock.mdb"));
  (void)disk_.unlink(path_of(kBrokenName));
  return disk_.sync_folder(folder_);
}

bool Index::is_marked_broken(const std::vector<std::string>& names) {
  return std::ranges::find(names, kBrokenName) != names.end();
}

void Index::mark_broken(Disk& disk, const std::string& folder) {
  (void)disk.open(folder + "/" + std::string(kBrokenName), Access::kCreateNew);  // or it is there already
}

std::unexpected<util::Error> Index::failed(std::string_view what, int code, std::string_view damage) {
  auto error = index_error(what, code, damage);
  if (!error.error().permanent) return error;
  const std::lock_guard lock(failure_mutex_);
  if (!failure_) failure_ = error.error();
  if (is_damage(code) && !std::exchange(is_broken_, true)) mark_broken(disk_, folder_);
  return error;
}

std::unexpected<util::Error> Index::failed(std::string_view what, const IndexTransaction& transaction) {
  return failed(what, transaction.code(), transaction.damage());
}

std::optional<util::Error> Index::failure() const {
  const std::lock_guard lock(failure_mutex_);
  return failure_;
}

bool Index::is_broken() const {
  const std::lock_guard lock(failure_mutex_);
  return is_broken_;
}

// Under another name until it is durable: a power loss while LMDB makes a file leaves one that it refuses.
util::Result<void> Index::make() {
  const auto names = disk_.list(folder_);
  if (!names) return std::unexpected(names.error());
  if (std::ranges::find(*names, kIndexFile) != names->end()) return {};
  const std::string path = path_of(kNewName);
  (void)disk_.unlink(path);  // left over from a crash, or not there
  if (auto opened = open_environment(path, MDB_NOSUBDIR); !opened) return opened;
  if (auto opened = open_tables(); !opened) return opened;
  if (const int code = mdb_env_sync(environment_.get(), 1); code != 0) return failed("make " + path, code);
  environment_.reset();
  (void)disk_.unlink(path + "-lock");
  if (auto renamed = disk_.rename(path, path_of(kIndexFile)); !renamed) return renamed;
  is_new_ = true;
  return disk_.sync_folder(folder_);
}

util::Result<void> Index::open_environment(const std::string& path, unsigned flags) {
  MDB_env* environment = nullptr;
  int code = mdb_env_create(&environment);
  environment_.reset(environment);
  if (code == 0) code = mdb_env_set_maxdbs(environment, kIndexTables);
  if (code == 0) code = mdb_env_set_maxreaders(environment, kReaders);
  if (code == 0) code = mdb_env_set_mapsize(environment, options_.map_size);
  // LMDB ends the process where it finds what cannot be. An inspection may find nothing wrong with that file (it does
  // not look at the list of free pages), so the next start is told.
  if (code == 0) code = mdb_env_set_userctx(environment, this);
  if (code == 0)
    code = mdb_env_set_assert(environment, [](MDB_env* failed, const char*) {
      const auto* index = static_cast<const Index*>(mdb_env_get_userctx(failed));
      mark_broken(index->disk_, index->folder_);
    });
  // Without the sync of the meta page a commit costs one flush and not two; the last one may then be undone by a power
  // loss, and never more. NOTLS: a reader's slot belongs to the transaction and is free again at its end.
  if (code == 0) code = mdb_env_open(environment, path.c_str(), flags | MDB_NOMETASYNC | MDB_NOTLS, 0600);
  int dead = 0;
  if (code == 0) code = mdb_reader_check(environment, &dead);  // a killed predecessor's would keep old pages for ever
  if (code != 0) return failed("open " + path, code);
  MDB_stat facts{};
  mdb_env_stat(environment, &facts);
  page_size_ = facts.ms_psize;
  return {};
}

util::Result<void> Index::open_tables() {
  IndexTransaction transaction(environment_.get(), 0);
  const auto table = [&](const char* name, MDB_dbi& handle) { transaction.open_table(name, handle); };
  table("meta", tables_->meta);
  const auto version = transaction.get(tables_->meta, "version");
  if (!version) {
    std::string value;
    append_number(value, kIndexVersion);
    transaction.put(tables_->meta, "version", value);
  } else if (version->size() != sizeof(uint32_t) || load<uint32_t>(version->data()) != kIndexVersion) {
    const bool newer = version->size() == sizeof(uint32_t);
    return util::permanent("index " + folder_ + " is of version " +
                           (newer ? std::to_string(load<uint32_t>(version->data())) : "unknown") +
                           ", this program knows version " + std::to_string(kIndexVersion));
  }
  table("msg", tables_->message);
  table("rcpt", tables_->recipient);
  table("ready", tables_->ready);
  table("wake", tables_->wake);
  table("domain", tables_->domain);
  table("taken", tables_->taken);
  table("segment", tables_->segment);
  const uint64_t pages = used_pages(transaction);
  if (transaction.commit() != 0) return failed("open " + folder_, transaction);
  used_ = static_cast<double>(pages * page_size_) / static_cast<double>(options_.map_size);
  return {};
}

// ---- room --------------------------------------------------------------------------------------------------------

uint64_t Index::used_pages(IndexTransaction& transaction) const {
  const IndexTables& t = *tables_;
  uint64_t pages = 0;
  for (const MDB_dbi table : {t.meta, t.message, t.recipient, t.ready, t.wake, t.domain, t.taken, t.segment})
    pages += transaction.pages(table);
  return pages;
}

void Index::judge_room() { has_room_ = has_ballast_ && used_ < 0.9; }

void Index::give_up_ballast() {
  has_room_ = false;
  if (!std::exchange(has_ballast_, false)) return;
  (void)disk_.unlink(path_of(kBallastName));  // then there is no more room than before
}

void Index::take_back_ballast() {
  if (has_ballast_) return;
  const std::string path = path_of(kBallastName);
  if (auto free = disk_.free_space(folder_); !free || *free < kRoomForBallast * options_.ballast) return;
  (void)disk_.unlink(path);  // a predecessor's
  auto file = disk_.open(path, Access::kCreateNew);
  has_ballast_ = file && disk_.preallocate(file->get(), options_.ballast);
  if (!has_ballast_) (void)disk_.unlink(path);
}

// ---- changes -----------------------------------------------------------------------------------------------------

util::Result<void> Index::apply(std::span<const IndexChange> changes) {
  const bool grows = std::ranges::any_of(changes, [](const auto& c) { return std::holds_alternative<PutMessage>(c); });
  const double most =
      1 - static_cast<double>(removal_reserve(options_.map_size)) / static_cast<double>(options_.map_size);
  if (grows && used_ > most) return util::temporary("index: full, but for what removals need");
  IndexTransaction transaction(environment_.get(), 0);
  IndexBatch batch(transaction, *tables_);
  for (const IndexChange* change : by_id(changes)) std::visit([&](const auto& c) { batch.apply(c); }, *change);
  batch.finish();
  const uint64_t pages = used_pages(transaction);
  if (transaction.commit() != 0) return failed("write", transaction);
  used_ = static_cast<double>(pages * page_size_) / static_cast<double>(options_.map_size);
  take_back_ballast();
  judge_room();
  return {};
}

// After a failed flush the kernel may call the next one good although pages are lost. All pages but the last meta page
// were flushed by their own commit, so a commit is what makes the next flush tell the truth.
util::Result<void> Index::sync() {
  if (sync_failed_) {
    IndexTransaction transaction(environment_.get(), 0);
    std::string count;
    const auto before = transaction.get(tables_->meta, "syncs");
    append_number(count, before && before->size() == sizeof(uint64_t) ? load<uint64_t>(before->data()) + 1 : 1);
    transaction.put(tables_->meta, "syncs", count);
    if (transaction.commit() != 0) return failed("write", transaction);
  }
  const int code = mdb_env_sync(environment_.get(), 1);
  sync_failed_ = code != 0;
  if (code != 0) return failed("sync", code);
  return {};
}

// ---- reading -----------------------------------------------------------------------------------------------------

util::Result<std::optional<RestingMessage>> Index::find(QueueId id) {
  IndexTransaction transaction(environment_.get(), MDB_RDONLY);
  auto message = read_message(transaction, *tables_, id);
  if (transaction.code() != 0) return failed("read " + to_text(id), transaction);
  return message;
}

util::Result<void> Index::list(QueueId from, size_t limit, std::vector<RestingMessage>& out) {
  IndexTransaction transaction(environment_.get(), MDB_RDONLY);
  IndexCursor cursor(transaction, tables_->message);
  for (bool more = cursor.seek(first_key(from)); more && limit > 0; more = cursor.next(), --limit) {
    const auto id = parse_message_key(cursor.key());
    auto parsed = id ? parse_message_value(*id, cursor.value()) : std::nullopt;
    if (!parsed) {
      transaction.found_damage("table msg: " + (id ? to_text(*id) : std::string("a key")));
    } else if (!parsed->has_differing) {
      out.push_back(std::move(parsed->message));
    } else if (auto message = read_message(transaction, *tables_, *id)) {
      out.push_back(std::move(*message));
    }
  }
  if (transaction.code() != 0) return failed("list", transaction);
  return {};
}

util::Result<void> Index::list_taken(QueueId from, size_t limit, std::vector<QueueId>& out) {
  IndexTransaction transaction(environment_.get(), MDB_RDONLY);
  IndexCursor cursor(transaction, tables_->taken);
  for (bool more = cursor.seek(first_key(from)); more && limit > 0; more = cursor.next(), --limit) {
    const auto id = parse_message_key(cursor.key());
    if (!id)
      transaction.found_damage("table taken: a key");
    else if (!transaction.get(tables_->message, message_key(*id)))
      transaction.found_damage("table taken: " + to_text(*id) + ", which is not in table msg,");
    else
      out.push_back(*id);
  }
  if (transaction.code() != 0) return failed("list", transaction);
  return {};
}

util::Result<void> Index::list_domains(const std::string& after, size_t limit, std::vector<Domain>& out) {
  IndexTransaction transaction(environment_.get(), MDB_RDONLY);
  IndexCursor cursor(transaction, tables_->domain);
  const std::string from = domain_key(after);
  for (bool more = cursor.seek(from); more && limit > 0; more = cursor.next()) {
    if (cursor.key() == from && !after.empty()) continue;
    const auto name = parse_domain_key(cursor.key());
    const auto row = parse_domain_value(cursor.value());
    if (name && row)
      out.push_back({std::string(*name), *row});
    else
      transaction.found_damage("table domain: a row");
    --limit;
  }
  if (transaction.code() != 0) return failed("list", transaction);
  return {};
}

util::Result<std::vector<Index::Segment>> Index::segments() {
  std::vector<Segment> segments;
  IndexTransaction transaction(environment_.get(), MDB_RDONLY);
  IndexCursor cursor(transaction, tables_->segment);
  for (bool more = cursor.seek({}); more; more = cursor.next()) {
    const auto number = parse_segment_key(cursor.key());
    const auto row = parse_segment_value(cursor.value());
    if (number && row)
      segments.push_back({*number, *row});
    else
      transaction.found_damage("table segment: " + (number ? std::to_string(*number) : std::string("a key")));
  }
  if (transaction.code() != 0) return failed("list", transaction);
  return segments;
}

util::Result<uint64_t> Index::messages() {
  IndexTransaction transaction(environment_.get(), MDB_RDONLY);
  const uint64_t count = transaction.entries(tables_->message);
  if (transaction.code() != 0) return failed("read", transaction);
  return count;
}

util::Result<IndexPosition> Index::position() {
  IndexTransaction transaction(environment_.get(), MDB_RDONLY);
  const auto value = transaction.get(tables_->meta, "position");
  const auto position = value ? parse_position_value(*value) : IndexPosition{};
  if (!position) transaction.found_damage("table meta: position");
  if (transaction.code() != 0) return failed("read", transaction);
  return *position;
}

std::vector<std::string> Index::disagreements() {
  std::vector<std::string> found;
  check_tables(environment_.get(), *tables_,
               {.message = {}, .problem = [&](const auto& text) { found.push_back(text); }});
  return found;
}

}  // namespace hikyaku::queue
