// A daemon's log.
#include "log/logger.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

namespace hikyaku::log {

namespace {

constexpr size_t kMostWaiting = 4 << 20;
constexpr int kFacilityMail = 2 << 3;

os::UniqueFd connect_syslog() {
  os::UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = "/dev/log"};
  if (fd && ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fd.reset();
  return fd;
}

}  // namespace

Logger::Logger(std::string tag, std::string host_name, os::UniqueFd file)
    : tag_(std::move(tag)), host_name_(std::move(host_name)), file_(std::move(file)), to_syslog_(!file_) {}

void Logger::set_file(os::UniqueFd file) {
  flush();
  to_syslog_ = !file;
  file_ = std::move(file);
  time_of_stamp_ = -1;  // a line for syslog begins differently
}

// Time and host are the same for all lines of a second: formatted once.
void Logger::refresh_time() {
  const std::time_t now = std::time(nullptr);
  if (now == time_of_stamp_) return;
  time_of_stamp_ = now;
  std::tm local{};
  ::localtime_r(&now, &local);
  char text[32];
  std::strftime(text, sizeof text, "%b %e %H:%M:%S", &local);
  stamp_ = to_syslog_ ? fmt::format("{} {}[{}]: ", text, tag_, ::getpid())
                      : fmt::format("{} {} {}[{}]: ", text, host_name_, tag_, ::getpid());
}

void Logger::begin(Level level) {
  refresh_time();
  if (to_syslog_) waiting_ += fmt::format("<{}>", kFacilityMail | static_cast<int>(level));
  waiting_ += stamp_;
}

void Logger::end() {
  waiting_ += '\n';
  if (waiting_.size() >= kMostWaiting) flush();
}

void Logger::line(Level level, std::string_view prefix, std::string_view text) {
  begin(level);
  waiting_ += prefix;
  waiting_ += text;
  end();
}

void Logger::record(const Event& event) {
  const Noted* noted = std::get_if<Noted>(&event);
  begin(noted != nullptr && noted->warning ? Level::kWarning : Level::kInfo);
  print(event, waiting_);
  end();
}

void Logger::flush() {
  if (waiting_.empty()) return;
  if (to_syslog_) return send_to_syslog();
  const ssize_t written = ::write(file_.get(), waiting_.data(), waiting_.size());
  if (written == static_cast<ssize_t>(waiting_.size())) {
    waiting_.clear();
    return;
  }
  if (written > 0) waiting_.erase(0, static_cast<size_t>(written));
  if (waiting_.size() >= kMostWaiting) {
    dropped_ += static_cast<size_t>(std::count(waiting_.begin(), waiting_.end(), '\n'));
    waiting_ = fmt::format("{}warning: {} log lines could not be written and were dropped\n", stamp_, dropped_);
  }
}

// A datagram per line. A full or missing syslog drops lines: it never holds up mail.
void Logger::send_to_syslog() {
  if (!file_) file_ = connect_syslog();
  size_t at = 0;
  while (at < waiting_.size()) {
    const size_t end = waiting_.find('\n', at);
    const ssize_t sent = file_ ? ::send(file_.get(), waiting_.data() + at, end - at, MSG_NOSIGNAL | MSG_DONTWAIT) : -1;
    if (sent < 0 && errno != EAGAIN) file_.reset();
    at = end + 1;
  }
  waiting_.clear();
}

}  // namespace hikyaku::log
