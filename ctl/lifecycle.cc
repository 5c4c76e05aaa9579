// start, start-fg, stop, abort, reload, status.
#include "ctl/lifecycle.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "ctl/ask.h"
#include "ctl/installation.h"
#include "os/program_path.h"
#include "os/unique_fd.h"

namespace hikyaku::ctl {

namespace {

constexpr int kReportFd = 3;  // as master's main.cc expects it
constexpr auto kQuick = std::chrono::seconds(10);
constexpr auto kStopWithin = std::chrono::seconds(30);
constexpr auto kReloadWithin = std::chrono::seconds(90);

std::string master_path() {
  auto path = os::find_program("master");
  if (!path) throw Failure{util::kExitSoftware, path.error().text};
  return *path;
}

[[noreturn]] void become_master(const std::string& path, const std::string& config_directory, bool background) {
  ::execl(path.c_str(), "master", "-c", config_directory.c_str(), background ? "-r" : nullptr, nullptr);
  std::fprintf(stderr, "hikyaku: %s: %s\n", path.c_str(), std::strerror(errno));
  ::_exit(util::kExitSoftware);
}

ipc::MasterAnswer ask_master(const std::string& config_directory, ipc::MasterVerb verb, std::chrono::seconds within) {
  enter_queue_directory(config_directory);
  Question question("private/master", "the mail system");
  return question.ask_for<ipc::MasterAnswer>(ipc::AskMaster{verb}, within);
}

// What master has to say until it closes the pipe: its exit code, a line feed, a text. Nothing when it died.
std::string read_report(int fd) {
  std::string report;
  char bytes[4096];
  ssize_t length;
  while ((length = ::read(fd, bytes, sizeof bytes)) != 0) {
    if (length > 0)
      report.append(bytes, static_cast<size_t>(length));
    else if (errno != EINTR)
      break;
  }
  return report;
}

}  // namespace

int start(const std::string& config_directory) {
  const std::string path = master_path();
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) throw Failure{util::kExitTryAgain, std::string("pipe: ") + std::strerror(errno)};
  os::UniqueFd reading(pipe[0]), writing(pipe[1]);
  const pid_t pid = ::fork();
  if (pid < 0) throw Failure{util::kExitTryAgain, std::string("fork: ") + std::strerror(errno)};
  if (pid == 0) {
    ::setsid();
    if (writing.get() == kReportFd)
      ::fcntl(kReportFd, F_SETFD, 0);
    else
      ::dup2(writing.get(), kReportFd);
    become_master(path, config_directory, true);
  }
  writing.reset();
  const std::string report = read_report(reading.get());
  const size_t line_feed = report.find('\n');
  if (line_feed == std::string::npos) {
    int ended = 0;
    ::waitpid(pid, &ended, 0);
    throw Failure{util::kExitSoftware, "master ended before all was started"};
  }
  const int exit_code = std::atoi(report.c_str());
  if (exit_code != 0) throw Failure{exit_code, report.substr(line_feed + 1)};
  return 0;
}

int start_in_foreground(const std::string& config_directory) { become_master(master_path(), config_directory, false); }

int stop(const std::string& config_directory, ipc::MasterVerb verb) {
  const auto answer = ask_master(config_directory, verb, kStopWithin);
  if (answer.exit_code != 0) throw Failure{answer.exit_code, answer.text};
  return 0;
}

int reload(const std::string& config_directory) {
  const auto answer = ask_master(config_directory, ipc::MasterVerb::kReload, kReloadWithin);
  if (answer.exit_code != 0) throw Failure{answer.exit_code, answer.text};
  std::fputs(answer.text.c_str(), stderr);  // what only a restart applies
  return 0;
}

int status(const std::string& config_directory, bool json) {
  ipc::MasterAnswer answer;
  try {
    answer = ask_master(config_directory, ipc::MasterVerb::kStatus, kQuick);
  } catch (const Failure& failure) {
    if (json && failure.exit_code == util::kExitUnavailable) std::puts(status_json({}).c_str());
    throw;
  }
  std::fputs((json ? status_json(answer.services) + "\n" : status_text(answer.services)).c_str(), stdout);
  return 0;
}

std::string status_text(const std::vector<ipc::ServiceStatus>& services) {
  std::string text = fmt::format("{:<24} {:<10} {:>8}  {}\n", "SERVICE", "STATE", "RESTARTS", "PIDS");
  for (const auto& service : services)
    text += fmt::format("{:<24} {:<10} {:>8}  {}\n", service.name, service.state, service.restarts,
                        fmt::join(service.pids, " "));
  return text;
}

std::string status_json(const std::vector<ipc::ServiceStatus>& services) {
  nlohmann::ordered_json json{{"running", !services.empty()}, {"services", nlohmann::ordered_json::array()}};
  for (const auto& service : services)
    json["services"].push_back(
        {{"name", service.name}, {"state", service.state}, {"pids", service.pids}, {"restarts", service.restarts}});
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace hikyaku::ctl
