// The index, as far as it can be read: a child reads, and tells its parent through a pipe.
#include "queue/index_inspection.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "os/file.h"
#include "os/unique_fd.h"
#include "queue/index_check.h"
#include "queue/index_tables.h"
#include "queue/little_endian.h"

namespace hikyaku::queue {
namespace {

using Visit = std::function<void(const RestingMessage&)>;

// What goes through the pipe: kind u8, length u32, and so many bytes.
enum class Told : uint8_t { kMessage = 1, kProblem = 2, kFacts = 3, kEnd = 4 };
constexpr size_t kFrameHeader = 5;
// Of a frame: a message of some hundred thousand recipients. Beyond it, the child has lost its mind.
constexpr uint32_t kMostBytes = uint32_t{1} << 30;
// Little, so that a child that dies has told nearly all that it read.
constexpr size_t kWriteAtOnce = 4096;

// ---- the child ---------------------------------------------------------------------------------------------------

class Teller {
 public:
  explicit Teller(int fd) : fd_(fd) {}

  void tell(Told kind, std::string_view body) {
    append_number(buffer_, static_cast<uint8_t>(kind));
    append_number(buffer_, static_cast<uint32_t>(body.size()));
    buffer_ += body;
    if (buffer_.size() >= kWriteAtOnce) flush();
  }
  // When the parent is gone there is nobody to read for.
  void flush() {
    if (!os::write_all(fd_, buffer_)) ::_exit(1);
    buffer_.clear();
  }

 private:
  int fd_;
  std::string buffer_;
};

void append_sized(std::string& out, std::string_view bytes) {
  append_number(out, static_cast<uint32_t>(bytes.size()));
  out += bytes;
}

std::string encode(const RestingMessage& message) {
  std::string body;
  append_number(body, message.id.value);
  append_sized(body, message_value(message));
  for (const DifferingRecipient& one : message.differing) {
    append_number(body, one.index);
    append_sized(body, recipient_value(message.id, one));
  }
  return body;
}

struct CloseEnvironment {
  void operator()(MDB_env* environment) const { mdb_env_close(environment); }
};

// LMDB's return code.
int open_tables(MDB_env* environment, IndexTables& tables, uint64_t& pages) {
  IndexTransaction transaction(environment, MDB_RDONLY);
  const std::pair<const char*, MDB_dbi*> all[] = {
      {"meta", &tables.meta}, {"msg", &tables.message},   {"rcpt", &tables.recipient}, {"ready", &tables.ready},
      {"wake", &tables.wake}, {"domain", &tables.domain}, {"taken", &tables.taken},    {"segment", &tables.segment}};
  for (const auto& [name, table] : all) {
    transaction.open_table(name, *table);
    pages += transaction.pages(*table);
  }
  return transaction.commit();
}

void read_index(const std::string& folder, bool wants_messages, Teller& teller) {
  MDB_env* opened = nullptr;
  int code = mdb_env_create(&opened);
  const std::unique_ptr<MDB_env, CloseEnvironment> environment(opened);
  if (code == 0) code = mdb_env_set_maxdbs(opened, kIndexTables);
  if (code == 0) code = mdb_env_open(opened, folder.c_str(), MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS, 0);
  IndexTables tables;
  uint64_t pages = 0;
  if (code == 0) code = open_tables(opened, tables, pages);
  if (code != 0) return teller.tell(Told::kProblem, fmt::format("it cannot be opened: {}", mdb_strerror(code)));
  MDB_stat facts{};
  MDB_envinfo info{};
  mdb_env_stat(opened, &facts);
  mdb_env_info(opened, &info);
  IndexListener listener{.message = {}, .problem = [&](const auto& text) { teller.tell(Told::kProblem, text); }};
  uint64_t messages = 0;
  listener.message = [&](const RestingMessage& message) {
    ++messages;
    if (wants_messages) teller.tell(Told::kMessage, encode(message));
  };
  const IndexPosition position = check_tables(opened, tables, listener);
  std::string body;
  append_number(body, messages);
  append_number(body, pages * facts.ms_psize);
  append_number(body, static_cast<uint64_t>(info.me_mapsize));
  body += position_value(position);
  teller.tell(Told::kFacts, body);
}

// The signals that a broken page raises shall end it at once, and leave no core.
[[noreturn]] void be_child(const std::string& folder, bool wants_messages, int fd) {
  for (const int one : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGPIPE}) ::signal(one, SIG_DFL);
  const rlimit none{0, 0};
  (void)::setrlimit(RLIMIT_CORE, &none);
  if (const os::UniqueFd null{::open("/dev/null", O_WRONLY | O_CLOEXEC)}; null) ::dup2(null.get(), STDERR_FILENO);
  Teller teller(fd);
  read_index(folder, wants_messages, teller);
  teller.tell(Told::kEnd, {});
  teller.flush();
  ::_exit(0);
}

// ---- the parent --------------------------------------------------------------------------------------------------

std::optional<std::string_view> take_sized(std::string_view& in) {
  uint32_t length = 0;
  if (!take_number(in, length) || length > in.size()) return std::nullopt;
  const auto bytes = in.substr(0, length);
  in.remove_prefix(length);
  return bytes;
}

std::optional<RestingMessage> decode(std::string_view in) {
  QueueId id;
  if (!take_number(in, id.value)) return std::nullopt;
  const auto value = take_sized(in);
  auto parsed = value ? parse_message_value(id, *value) : std::nullopt;
  while (parsed && !in.empty()) {
    uint32_t index = 0;
    const bool numbered = take_number(in, index);
    const auto bytes = numbered ? take_sized(in) : std::nullopt;
    auto rest = bytes ? parse_recipient_value(id, index, *bytes) : std::nullopt;
    if (!rest) return std::nullopt;
    parsed->message.differing.push_back({index, std::move(*rest)});
  }
  return parsed ? std::optional(std::move(parsed->message)) : std::nullopt;
}

class Hearer {
 public:
  Hearer(IndexReport& report, const Visit& visit) : report_(report), visit_(visit) {}

  // False when it cannot go on: this is not what a child in its right mind says.
  bool hear(std::string_view bytes) {
    buffer_ += bytes;
    std::string_view in = buffer_;
    while (in.size() >= kFrameHeader) {
      const auto length = load<uint32_t>(in.data() + 1);
      if (length > kMostBytes) return false;
      if (in.size() - kFrameHeader < length) break;
      if (!take(static_cast<Told>(in[0]), in.substr(kFrameHeader, length))) return false;
      in.remove_prefix(kFrameHeader + length);
    }
    buffer_.erase(0, buffer_.size() - in.size());
    return true;
  }
  bool ended() const { return ended_; }

 private:
  bool take(Told kind, std::string_view body) {
    if (kind == Told::kProblem) report_.problems.emplace_back(body);
    if (kind == Told::kFacts) return take_facts(body);
    if (kind == Told::kEnd) ended_ = true;
    if (kind != Told::kMessage) return true;
    const auto message = decode(body);
    if (!message) return false;
    ++report_.messages;
    visit_(*message);
    return true;
  }
  bool take_facts(std::string_view body) {
    if (!take_number(body, report_.messages) || !take_number(body, report_.used) ||
        !take_number(body, report_.map_size))
      return false;
    const auto position = parse_position_value(body);
    if (position) report_.position = *position;
    return position.has_value();
  }

  IndexReport& report_;
  const Visit& visit_;
  std::string buffer_;
  bool ended_ = false;
};

// Returns why what was heard is not all; empty: it is.
std::string listen(int fd, Hearer& hearer) {
  std::array<char, 65536> buffer;
  for (;;) {
    const ssize_t length = ::read(fd, buffer.data(), buffer.size());
    if (length < 0 && errno == EINTR) continue;
    if (length < 0) return std::string("the pipe: ") + std::strerror(errno);
    if (length == 0) return hearer.ended() ? "" : "reading it ends the process that does";
    if (!hearer.hear({buffer.data(), static_cast<size_t>(length)})) return "reading it gives nonsense";
  }
}

int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

}  // namespace

IndexReport inspect_index(const std::string& folder, const Visit& visit) {
  IndexReport report;
  const std::string file = folder + "/" + std::string(kIndexFile);
  if (::access(file.c_str(), F_OK) != 0 && errno == ENOENT) return report;
  report.file = file;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    report.problems.push_back(std::string("no pipe to inspect it: ") + std::strerror(errno));
    return report;
  }
  os::UniqueFd in(ends[0]), out(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) {
    report.problems.push_back(std::string("no process to inspect it: ") + std::strerror(errno));
    return report;
  }
  if (child == 0) {
    in.reset();
    be_child(folder, static_cast<bool>(visit), out.get());
  }
  out.reset();
  Hearer hearer(report, visit);
  std::string problem = listen(in.get(), hearer);
  in.reset();  // so that a child that still writes ends
  const int status = wait_for(child);
  if (!problem.empty() && WIFSIGNALED(status))
    problem += fmt::format(" (signal {}, {})", WTERMSIG(status), ::strsignal(WTERMSIG(status)));
  if (!problem.empty()) report.problems.push_back(std::move(problem));
  return report;
}

}  // namespace hikyaku::queue
