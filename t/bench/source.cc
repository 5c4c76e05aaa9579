// The client of the benchmarks: many SMTP sessions at once, each sending message after message.
//
//   source --server HOST:PORT [--sessions N] [--messages N] [--size BYTES] [--recipients N] [--one-each]
//          [--domain NAME] [--pipelining] [--limit SECONDS]
//
// --one-each opens a connection for every message instead of reusing its sessions. One thread, epoll, IPv4.
// Prints one JSON line: what was accepted, how fast, and the time from MAIL to the final reply (p50, p99).
#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  sockaddr_in server{};
  int sessions = 20, messages = 1000, size = 4096, recipients = 1, limit = 300;
  std::string domain = "dest.test";  // of the recipients
  bool one_each = false, pipelining = false;
};

struct Results {
  int left = 0;  // messages that no session has begun yet
  int accepted = 0, refused = 0, lost = 0, connections = 0;
  std::vector<double> milliseconds;  // of every accepted message
  std::string last_refusal;
  Clock::time_point last;  // the last acceptance
};

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

// A message of `size` bytes as it goes after 354, without a line that begins with a dot; the final dot included.
std::string make_content(int size) {
  std::string text =
      "From: <ann@origin.test>\r\nTo: <bob@dest.test>\r\nSubject: A message of the benchmark\r\n"
      "Message-ID: <bench@origin.test>\r\nDate: Tue, 8 Mar 2016 16:01:54 +0900\r\n\r\n";
  while (static_cast<int>(text.size()) < size) {
    int room = std::clamp(size - static_cast<int>(text.size()) - 2, 1, 70);
    text += std::string(static_cast<std::size_t>(room), 'x') + "\r\n";
  }
  return text + ".\r\n";
}

std::string make_envelope(int recipients, const std::string& domain) {
  std::string text;
  for (int n = 0; n < recipients; n++) text += "RCPT TO:<r" + std::to_string(n) + "@" + domain + ">\r\n";
  return text;
}

// What every session sends.
struct Script {
  explicit Script(const Options& options)
      : recipients(make_envelope(options.recipients, options.domain)), content(make_content(options.size)) {}
  std::string mail = "MAIL FROM:<ann@origin.test>\r\n";
  std::string recipients;  // all RCPT lines
  std::string content;
};

enum class Stage { kGreeting, kHello, kMail, kRecipients, kData, kContent, kQuit };

// One connection at a time. A refused or broken transaction ends its connection; the next one is opened for the
// next message.
class Session {
 public:
  Session(const Options& options, const Script& script, Results& results, int epoll)
      : options_(options), script_(script), results_(results), epoll_(epoll) {}
  ~Session() { disconnect(); }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  bool active() const { return fd_ >= 0; }

  void connect_to_server() {
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd_, reinterpret_cast<const sockaddr*>(&options_.server), sizeof options_.server) != 0) die("connect");
    results_.connections++;
    stage_ = Stage::kGreeting;
    input_.clear();
    output_.clear();
    in_transaction_ = false;
    watched_ = EPOLLIN;
    change(EPOLL_CTL_ADD);
  }

  void ready(std::uint32_t events) {
    if (events & EPOLLOUT) write_more();
    if (active() && (events & (EPOLLIN | EPOLLHUP | EPOLLERR))) read_more();
  }

 private:
  void read_more() {
    char bytes[16384];
    ssize_t size = recv(fd_, bytes, sizeof bytes, MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) return broken();
    input_.append(bytes, static_cast<std::size_t>(size));
    std::size_t begin = 0;
    for (std::size_t end; active() && (end = input_.find('\n', begin)) != std::string::npos; begin = end + 1) {
      std::string line = input_.substr(begin, end - begin);
      if (line.size() < 4 || line[3] != '-') reply(line);
    }
    if (active()) input_.erase(0, begin);
  }

  void reply(const std::string& line) {
    char wanted = stage_ == Stage::kData ? '3' : '2';
    if (stage_ != Stage::kQuit && (line.empty() || line[0] != wanted)) return refused(line);
    switch (stage_) {
      case Stage::kGreeting:
        stage_ = Stage::kHello;
        return write("EHLO source.test\r\n");
      case Stage::kHello:
        return next_message();
      case Stage::kMail:
        stage_ = Stage::kRecipients;
        replies_left_ = options_.recipients;
        if (!options_.pipelining) write_recipient();
        return;
      case Stage::kRecipients:
        if (--replies_left_ > 0) {
          if (!options_.pipelining) write_recipient();
          return;
        }
        stage_ = Stage::kData;
        if (!options_.pipelining) write("DATA\r\n");
        return;
      case Stage::kData:
        stage_ = Stage::kContent;
        return write(script_.content);
      case Stage::kContent:
        return accepted();
      case Stage::kQuit:
        return disconnect_and_go_on();
    }
  }

  void next_message() {
    if (results_.left == 0) return quit();
    results_.left--;
    in_transaction_ = true;
    began_ = Clock::now();
    stage_ = Stage::kMail;
    next_recipient_ = 0;
    write(options_.pipelining ? script_.mail + script_.recipients + "DATA\r\n" : script_.mail);
  }

  void write_recipient() {
    std::size_t end = script_.recipients.find('\n', next_recipient_) + 1;
    write(std::string_view(script_.recipients).substr(next_recipient_, end - next_recipient_));
    next_recipient_ = end;
  }

  void accepted() {
    in_transaction_ = false;
    results_.accepted++;
    results_.last = Clock::now();
    results_.milliseconds.push_back(std::chrono::duration<double, std::milli>(results_.last - began_).count());
    if (options_.one_each) return quit();
    next_message();
  }

  void refused(const std::string& line) {
    results_.last_refusal = line;
    if (std::exchange(in_transaction_, false)) {
      results_.refused++;
    } else if (results_.left > 0) {  // refused before any message: that session's next one counts
      results_.left--;
      results_.refused++;
    }
    disconnect_and_go_on();
  }

  void broken() {
    if (std::exchange(in_transaction_, false)) results_.lost++;
    if (stage_ == Stage::kGreeting || stage_ == Stage::kHello) die("the server closes connections");
    disconnect_and_go_on();
  }

  void quit() {
    stage_ = Stage::kQuit;
    write("QUIT\r\n");
  }

  void disconnect_and_go_on() {
    disconnect();
    if (results_.left > 0) connect_to_server();
  }

  void disconnect() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

  void write(std::string_view bytes) {
    output_.append(bytes);
    write_more();
  }

  void write_more() {
    ssize_t size = send(fd_, output_.data(), output_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size > 0) output_.erase(0, static_cast<std::size_t>(size));
    // A broken connection shows itself when it is read.
    std::uint32_t wanted = output_.empty() || (size < 0 && errno != EAGAIN) ? EPOLLIN : EPOLLIN | EPOLLOUT;
    if (wanted != watched_) {
      watched_ = wanted;
      change(EPOLL_CTL_MOD);
    }
  }

  void change(int operation) {
    epoll_event event{};
    event.events = watched_;
    event.data.ptr = this;
    if (epoll_ctl(epoll_, operation, fd_, &event) != 0) die("epoll_ctl");
  }

  const Options& options_;
  const Script& script_;
  Results& results_;
  int epoll_, fd_ = -1;
  Stage stage_ = Stage::kGreeting;
  std::string input_, output_;
  bool in_transaction_ = false;
  int replies_left_ = 0;
  std::size_t next_recipient_ = 0;  // where its line begins in script_.recipients
  std::uint32_t watched_ = 0;
  Clock::time_point began_;
};

void print(const Options& options, Results& results, double seconds) {
  std::sort(results.milliseconds.begin(), results.milliseconds.end());
  auto quantile = [&](double part) {
    std::size_t count = results.milliseconds.size();
    return count == 0
               ? 0
               : results.milliseconds[std::min(count - 1, static_cast<std::size_t>(part * static_cast<double>(count)))];
  };
  std::printf(
      "{\"accepted\":%d,\"refused\":%d,\"lost\":%d,\"recipients\":%d,\"connections\":%d,\"seconds\":%.3f,"
      "\"accepted_per_second\":%.1f,\"p50_ms\":%.2f,\"p99_ms\":%.2f}\n",
      results.accepted, results.refused, results.lost, options.recipients, results.connections, seconds,
      results.accepted / seconds, quantile(0.5), quantile(0.99));
  if (!results.last_refusal.empty()) std::fprintf(stderr, "last refusal: %s\n", results.last_refusal.c_str());
}

// True when every message was accepted.
bool run(const Options& options) {
  Script script(options);
  Results results;
  results.left = options.messages;
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) die("epoll_create1");
  auto began = results.last = Clock::now();
  std::vector<std::unique_ptr<Session>> sessions;
  for (int n = 0; n < std::min(options.sessions, options.messages); n++) {
    sessions.push_back(std::make_unique<Session>(options, script, results, epoll));
    sessions.back()->connect_to_server();
  }
  auto busy = [&] { return std::any_of(sessions.begin(), sessions.end(), [](auto& s) { return s->active(); }); };
  while (busy()) {
    if (Clock::now() - began > std::chrono::seconds(options.limit)) {
      std::fprintf(stderr, "source: not finished after %d s\n", options.limit);
      break;
    }
    epoll_event events[256];
    int count = epoll_wait(epoll, events, 256, 1000);
    for (int i = 0; i < count; i++) static_cast<Session*>(events[i].data.ptr)->ready(events[i].events);
  }
  print(options, results, std::max(1e-9, std::chrono::duration<double>(results.last - began).count()));
  close(epoll);
  return results.accepted == options.messages;
}

[[noreturn]] void usage() {
  std::fputs(
      "usage: source --server HOST:PORT [--sessions N] [--messages N] [--size BYTES] [--recipients N] [--domain NAME] "
      "[--one-each] "
      "[--pipelining] [--limit SECONDS]\n",
      stderr);
  std::exit(64);
}

void read_server(std::string value, Options& options) {
  std::size_t colon = value.rfind(':');
  if (colon == std::string::npos) usage();
  options.server.sin_family = AF_INET;
  options.server.sin_port = htons(static_cast<std::uint16_t>(std::atoi(value.c_str() + colon + 1)));
  if (inet_pton(AF_INET, value.substr(0, colon).c_str(), &options.server.sin_addr) != 1) usage();
}

Options read_options(int argc, char** argv) {
  static const option kOptions[] = {
      {"server", required_argument, nullptr, 'S'},     {"sessions", required_argument, nullptr, 's'},
      {"messages", required_argument, nullptr, 'm'},   {"size", required_argument, nullptr, 'b'},
      {"recipients", required_argument, nullptr, 'r'}, {"one-each", no_argument, nullptr, 'o'},
      {"pipelining", no_argument, nullptr, 'p'},       {"limit", required_argument, nullptr, 'l'},
      {"domain", required_argument, nullptr, 'd'},     {nullptr, 0, nullptr, 0}};
  Options options;
  for (int choice; (choice = getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
    switch (choice) {
      case 'S':
        read_server(optarg, options);
        break;
      case 's':
        options.sessions = std::atoi(optarg);
        break;
      case 'm':
        options.messages = std::atoi(optarg);
        break;
      case 'b':
        options.size = std::atoi(optarg);
        break;
      case 'r':
        options.recipients = std::atoi(optarg);
        break;
      case 'd':
        options.domain = optarg;
        break;
      case 'l':
        options.limit = std::atoi(optarg);
        break;
      case 'o':
        options.one_each = true;
        break;
      case 'p':
        options.pipelining = true;
        break;
      default:
        usage();
    }
  }
  if (options.server.sin_port == 0 || options.sessions < 1 || options.messages < 1 || options.recipients < 1) usage();
  return options;
}

}  // namespace

int main(int argc, char** argv) { return run(read_options(argc, argv)) ? 0 : 1; }
