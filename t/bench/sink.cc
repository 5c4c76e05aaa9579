// The next hop of the benchmarks: an SMTP server that counts mail and keeps none of it.
//
//   sink --listen HOST:PORT [--delay MS] [--rcpt-reply TEXT [--rcpt-match WORD] [--rcpt-times K] [--rcpt-share S]]
//        [--counters FILE]
//
// One thread, epoll, IPv4. Prints its counters as one JSON line on SIGUSR1 and when SIGTERM or SIGINT ends it;
// FILE gets them too, and in between at least every 20 ms while mail comes in.
#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr auto kCountersInterval = milliseconds(20);

struct Options {
  std::string host = "127.0.0.1";
  int port = 0;
  milliseconds delay{0};   // before each reply
  std::string rcpt_reply;  // instead of 250, for the recipients that the next three choose
  std::string rcpt_match;  // only recipients that contain this
  std::uint64_t rcpt_times = UINT64_MAX;
  double rcpt_share = 1;  // of them, by chance; the same in every run
  std::string counters_file;
};

struct Counters {
  std::uint64_t sessions = 0, open = 0, most_open = 0;
  std::uint64_t messages = 0, recipients = 0, refused = 0, bytes = 0;
  Clock::time_point first, last;  // when the first and the last message was taken

  bool operator==(const Counters&) const = default;
};

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&&) = delete;
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

std::string to_json(const Counters& counters) {
  double seconds = std::chrono::duration<double>(counters.last - counters.first).count();
  char text[320];
  int size = std::snprintf(
      text, sizeof text,
      "{\"sessions\":%llu,\"most_open\":%llu,\"messages\":%llu,\"recipients\":%llu,\"refused\":%llu,"
      "\"bytes\":%llu,\"seconds\":%.3f}\n",
      static_cast<unsigned long long>(counters.sessions), static_cast<unsigned long long>(counters.most_open),
      static_cast<unsigned long long>(counters.messages), static_cast<unsigned long long>(counters.recipients),
      static_cast<unsigned long long>(counters.refused), static_cast<unsigned long long>(counters.bytes), seconds);
  return std::string(text, static_cast<std::size_t>(size));
}

bool starts_with_verb(std::string_view line, std::string_view verb) {
  return line.size() >= verb.size() && strncasecmp(line.data(), verb.data(), verb.size()) == 0;
}

// One session: bytes in, replies out.
class Connection {
 public:
  Connection(Fd fd, const Options& options, Counters& counters)
      : fd_(std::move(fd)), options_(options), counters_(counters) {
    replies_ = "220 sink.test ESMTP\r\n";
  }
  int fd() const { return fd_.get(); }

  // False when the peer has gone.
  bool receive() {
    char bytes[65536];
    ssize_t size = read(fd(), bytes, sizeof bytes);
    if (size <= 0) return size < 0 && (errno == EAGAIN || errno == EINTR);
    input_.append(bytes, static_cast<std::size_t>(size));
    return true;
  }

  // Works on what was received; with a delay one command at a time. True when replies are to be sent.
  bool work() {
    std::size_t done = 0;
    while (!quit_ && (replies_.empty() || options_.delay.count() == 0)) {
      std::size_t end = input_.find('\n', done);
      if (end == std::string::npos) break;
      line(std::string_view(input_).substr(done, end + 1 - done));
      done = end + 1;
    }
    input_.erase(0, done);
    return !replies_.empty();
  }

  // False when the session is over.
  bool send_replies() {
    // Replies are few and small: a socket that cannot take them belongs to a client that does not read.
    bool sent = send(fd(), replies_.data(), replies_.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(replies_.size());
    replies_.clear();
    return sent && !quit_;
  }

  bool waiting = false;  // its replies are due later

 private:
  void line(std::string_view text) {
    if (in_data_) return data_line(text);
    if (starts_with_verb(text, "EHLO")) {
      replies_ += "250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE 0\r\n";
    } else if (starts_with_verb(text, "MAIL") || starts_with_verb(text, "RSET")) {
      recipients_ = 0;
      replies_ += "250 2.1.0 Ok\r\n";
    } else if (starts_with_verb(text, "RCPT")) {
      recipient(text);
    } else if (starts_with_verb(text, "DATA")) {
      in_data_ = recipients_ > 0;
      replies_ += in_data_ ? "354 Go on\r\n" : "554 5.5.1 No valid recipients\r\n";
    } else if (starts_with_verb(text, "QUIT")) {
      quit_ = true;
      replies_ += "221 2.0.0 Bye\r\n";
    } else if (starts_with_verb(text, "HELO") || starts_with_verb(text, "NOOP")) {
      replies_ += "250 sink.test\r\n";
    } else {
      replies_ += "502 5.5.1 Not known\r\n";
    }
  }

  void recipient(std::string_view text) {
    bool refuse = !options_.rcpt_reply.empty() && counters_.refused < options_.rcpt_times &&
                  text.find(options_.rcpt_match) != std::string_view::npos && chance() < options_.rcpt_share;
    if (refuse) {
      counters_.refused++;
      replies_ += options_.rcpt_reply + "\r\n";
    } else {
      recipients_++;
      replies_ += "250 2.1.5 Ok\r\n";
    }
  }

  // From 0 to below 1.
  double chance() {
    static std::minstd_rand numbers;
    return std::generate_canonical<double, 32>(numbers);
  }

  void data_line(std::string_view text) {
    if (text != ".\r\n") {
      counters_.bytes += text.size();
      return;
    }
    in_data_ = false;
    counters_.last = Clock::now();
    if (counters_.messages == 0) counters_.first = counters_.last;
    counters_.messages++;
    counters_.recipients += recipients_;
    replies_ += "250 2.0.0 Ok\r\n";
  }

  Fd fd_;
  const Options& options_;
  Counters& counters_;
  std::string input_, replies_;
  std::uint64_t recipients_ = 0;
  bool in_data_ = false, quit_ = false;
};

class Server {
 public:
  explicit Server(Options options) : options_(std::move(options)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(options_.port));
    int on = 1;
    if (inet_pton(AF_INET, options_.host.c_str(), &address.sin_addr) != 1) die("--listen");
    setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) die("bind");
    if (listen(listener_.get(), 1024) != 0) die("listen");
    sigset_t set;
    sigemptyset(&set);
    for (int signal : {SIGUSR1, SIGTERM, SIGINT}) sigaddset(&set, signal);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    signals_ = signalfd(-1, &set, SFD_CLOEXEC);
    watch(listener_.get());
    watch(signals_);
  }

  // Returns when a signal has ended it.
  void run() {
    while (!ended_) {
      epoll_event events[256];
      int count = epoll_wait(epoll_.get(), events, 256, wait_time());
      for (int i = 0; i < count; i++) ready(events[i].data.fd);
      send_what_is_due();
      if (Clock::now() - written_at_ >= kCountersInterval && !(written_ == counters_)) write_counters();
    }
    print();
  }

 private:
  void watch(int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
  }

  int wait_time() const {
    auto time = kCountersInterval;
    if (!due_.empty()) {
      auto left = std::chrono::ceil<milliseconds>(due_.front().first - Clock::now());
      time = std::clamp(left, milliseconds(0), milliseconds(kCountersInterval));
    }
    return static_cast<int>(time.count());
  }

  void ready(int fd) {
    if (fd == listener_.get()) return accept_one();
    if (fd == signals_) return signalled();
    auto found = connections_.find(fd);
    if (found == connections_.end()) return;
    Connection& connection = *found->second;
    if (!connection.receive()) return drop(fd);
    if (!connection.waiting) proceed(connection);
  }

  void accept_one() {
    Fd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd.get() < 0) return;
    int on = 1, number = fd.get();
    setsockopt(number, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    watch(number);
    counters_.sessions++;
    counters_.most_open = std::max(counters_.most_open, ++counters_.open);
    auto& connection = connections_[number] = std::make_unique<Connection>(std::move(fd), options_, counters_);
    proceed(*connection);
  }

  void proceed(Connection& connection) {
    if (!connection.work()) return;
    if (options_.delay.count() > 0) {
      connection.waiting = true;
      due_.emplace_back(Clock::now() + options_.delay, connection.fd());
    } else if (!connection.send_replies()) {
      drop(connection.fd());
    }
  }

  void send_what_is_due() {
    while (!due_.empty() && due_.front().first <= Clock::now()) {
      auto found = connections_.find(due_.front().second);
      due_.pop_front();
      if (found == connections_.end() || !found->second->waiting) continue;
      found->second->waiting = false;
      if (found->second->send_replies()) {
        proceed(*found->second);
      } else {
        drop(found->first);
      }
    }
  }

  void drop(int fd) {
    connections_.erase(fd);
    counters_.open--;
  }

  void signalled() {
    signalfd_siginfo info{};
    if (read(signals_, &info, sizeof info) != sizeof info) return;
    if (info.ssi_signo == SIGUSR1) return print();
    ended_ = true;
  }

  void print() {
    std::fputs(to_json(counters_).c_str(), stdout);
    std::fflush(stdout);
    write_counters();
  }

  void write_counters() {
    written_at_ = Clock::now();
    written_ = counters_;
    if (options_.counters_file.empty()) return;
    std::string next = options_.counters_file + ".new", text = to_json(counters_);
    std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(next.c_str(), "w"), std::fclose);
    if (!file || std::fputs(text.c_str(), file.get()) < 0) die(next.c_str());
    file.reset();
    if (std::rename(next.c_str(), options_.counters_file.c_str()) != 0) die(options_.counters_file.c_str());
  }

  Options options_;
  Counters counters_, written_;
  Clock::time_point written_at_ = Clock::now();
  Fd epoll_{epoll_create1(EPOLL_CLOEXEC)};
  Fd listener_{socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  int signals_ = -1;  // lives as long as the process
  std::unordered_map<int, std::unique_ptr<Connection>> connections_;
  std::deque<std::pair<Clock::time_point, int>> due_;  // one delay for all: first in, first due
  bool ended_ = false;
};

[[noreturn]] void usage() {
  std::fputs(
      "usage: sink --listen HOST:PORT [--delay MS] [--rcpt-reply TEXT [--rcpt-match WORD] [--rcpt-times K] "
      "[--rcpt-share S]] "
      "[--counters FILE]\n",
      stderr);
  std::exit(64);
}

Options read_options(int argc, char** argv) {
  static const option kOptions[] = {
      {"listen", required_argument, nullptr, 'l'},     {"delay", required_argument, nullptr, 'd'},
      {"rcpt-reply", required_argument, nullptr, 'r'}, {"rcpt-match", required_argument, nullptr, 'm'},
      {"rcpt-times", required_argument, nullptr, 't'}, {"rcpt-share", required_argument, nullptr, 's'},
      {"counters", required_argument, nullptr, 'c'},   {nullptr, 0, nullptr, 0}};
  Options options;
  for (int choice; (choice = getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
    std::string value = optarg ? optarg : "";
    std::size_t colon = value.rfind(':');
    switch (choice) {
      case 'l':
        if (colon == std::string::npos) usage();
        options.host = value.substr(0, colon);
        options.port = std::atoi(value.c_str() + colon + 1);
        break;
      case 'd':
        options.delay = milliseconds(std::atoi(optarg));
        break;
      case 'r':
        options.rcpt_reply = value;
        break;
      case 'm':
        options.rcpt_match = value;
        break;
      case 't':
        options.rcpt_times = std::strtoull(optarg, nullptr, 10);
        break;
      case 's':
        options.rcpt_share = std::atof(optarg);
        break;
      case 'c':
        options.counters_file = value;
        break;
      default:
        usage();
    }
  }
  if (options.port <= 0 || optind != argc) usage();
  return options;
}

}  // namespace

int main(int argc, char** argv) { Server(read_options(argc, argv)).run(); }
