// Making a service process.
#include "master/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <iterator>
#include <string_view>
#include <vector>

#include "service/service.h"

namespace hikyaku::master {

namespace {

constexpr int kFailureFd = service::kMasterPipe + 1;  // closed by a successful exec
constexpr rlim_t kWantedDescriptors = 1 << 20;

constexpr std::string_view kKeptVariables[] = {
    "PATH",         "TZ",
    "LANG",         "LC_ALL",
    "LC_CTYPE",     "LC_MESSAGES",
#ifdef __SANITIZE_ADDRESS__
    "ASAN_OPTIONS", "UBSAN_OPTIONS",
    "LSAN_OPTIONS",
#endif
};

// Nothing of what an operator's shell happens to hold reaches the daemons.
std::vector<std::string> clean_environment() {
  std::vector<std::string> kept;
  for (const std::string_view name : kKeptVariables) {
    if (const char* value = std::getenv(std::string(name).c_str())) kept.push_back(fmt::format("{}={}", name, value));
  }
  return kept;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

struct Failure {
  int error = 0;
  char step[32] = {};
};

[[noreturn]] void fail(const char* step) {
  Failure failure{.error = errno};
  std::string_view(step).copy(failure.step, sizeof failure.step - 1);
  (void)!::write(kFailureFd, &failure, sizeof failure);
  ::_exit(127);
}

// Descriptors 0 to 4 and no other. The two that must move are first copied out of each other's way.
void arrange_descriptors(const Launcher& launcher, int pipe, int failure) {
  const int high_pipe = ::fcntl(pipe, F_DUPFD, 16);
  const int high_failure = ::fcntl(failure, F_DUPFD, 16);
  const int high_output = ::fcntl(launcher.error_output, F_DUPFD, 16);
  const int opened = ::open("/dev/null", O_RDWR);
  const int null = opened < 0 ? -1 : ::fcntl(opened, F_DUPFD, 16);
  ::dup3(high_failure, kFailureFd, O_CLOEXEC);
  if (high_pipe < 0 || high_failure < 0 || null < 0 || ::dup2(high_pipe, service::kMasterPipe) < 0 ||
      ::dup2(null, 0) < 0)
    fail("arrange descriptors");
  for (const int output : {1, 2})
    if (!launcher.keep_output) ::dup2(high_output < 0 ? null : high_output, output);
  if (::close_range(kFailureFd + 1, ~0U, 0) != 0) fail("close_range");
}

// The program becomes the owner itself, first of all (service::run): the path to it, and to the libraries that it
// needs, may lead through folders that only root can pass, such as a home directory of mode 0700.
std::vector<std::string> arguments_of(const Launcher& launcher, const std::string& program_path) {
  std::vector<std::string> arguments = {program_path.substr(program_path.rfind('/') + 1)};
  if (::geteuid() == 0) {
    arguments.push_back("--run-as");
    arguments.push_back(fmt::format("{}:{}", launcher.owner.uid, launcher.owner.gid));
  }
  return arguments;
}

void reset_signals() {
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int number : {SIGPIPE, SIGHUP, SIGINT, SIGTERM, SIGCHLD}) ::signal(number, SIG_DFL);
}

// The end of the pipe is what tells a daemon that master has died; the signal is for one that does not read it.
void die_with_parent(pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
  if (::getppid() != parent) ::_exit(0);
}

}  // namespace

util::Result<Owner> find_owner(const std::string& mail_owner) {
  const bool root = ::geteuid() == 0;
  errno = 0;
  const passwd* entry = root ? ::getpwnam(mail_owner.c_str()) : ::getpwuid(::geteuid());
  if (!root) return Owner{::geteuid(), ::getegid(), entry != nullptr ? entry->pw_name : ""};
  if (entry == nullptr) return util::permanent("mail_owner: there is no user \"" + mail_owner + "\"");
  if (entry->pw_uid == 0) return util::permanent("mail_owner must be an unprivileged user, not root");
  return Owner{entry->pw_uid, entry->pw_gid, mail_owner};
}

util::Result<Process> spawn(const Launcher& launcher, const std::string& program_path) {
  int pair[2], report[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0)
    return util::system_error("socketpair", errno);
  os::UniqueFd ours(pair[0]), theirs(pair[1]);
  if (::pipe2(report, O_CLOEXEC) != 0) return util::system_error("pipe", errno);
  os::UniqueFd reading(report[0]), writing(report[1]);

  std::vector<std::string> environment = clean_environment();
  std::vector<std::string> arguments = arguments_of(launcher, program_path);
  const auto environment_pointers = pointers_to(environment), argument_pointers = pointers_to(arguments);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return util::system_error("fork", errno);
  if (pid == 0) {
    reset_signals();
    arrange_descriptors(launcher, theirs.get(), writing.get());
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail("no_new_privs");
    die_with_parent(parent);
    ::execve(program_path.c_str(), argument_pointers.data(), environment_pointers.data());
    fail("exec");
  }
  writing.reset();
  Failure failure;
  ssize_t length;
  do length = ::read(reading.get(), &failure, sizeof failure);
  while (length < 0 && errno == EINTR);
  if (length == sizeof failure)
    return util::system_error(fmt::format("{}: {}", program_path, failure.step), failure.error);
  return Process{pid, std::move(ours)};
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlimit wanted{kWantedDescriptors, std::max(limit.rlim_max, kWantedDescriptors)};
  if (::geteuid() == 0 && ::setrlimit(RLIMIT_NOFILE, &wanted) == 0) return;
  limit.rlim_cur = std::min(limit.rlim_max, kWantedDescriptors);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace hikyaku::master
