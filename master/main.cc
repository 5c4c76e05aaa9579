// master: reads the configuration, makes the queue directory ready, and starts what master.cf names.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "event/loop.h"
#include "master/master.h"
#include "os/file.h"
#include "service/configuration_files.h"
#include "util/error.h"

namespace hikyaku::master {

namespace {

constexpr int kReportFd = 3;  // where the waiting `hikyaku start` listens

struct Options {
  std::string config_directory = "/etc/hikyaku";
  bool background = false;
};

Options read_options(int argc, char** argv) {
  Options options;
  int letter;
  while ((letter = ::getopt(argc, argv, "c:r")) != -1) {
    if (letter == 'c')
      options.config_directory = optarg;
    else if (letter == 'r')
      options.background = true;
    else
      throw util::StartupError("usage: master [-c CONFIG_DIR]", util::kExitUsage);
  }
  char full[PATH_MAX];
  if (::realpath(options.config_directory.c_str(), full) == nullptr)
    throw util::StartupError(options.config_directory + ": no such directory", util::kExitConfig);
  options.config_directory = full;
  return options;
}

[[noreturn]] void refuse_configuration(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  throw util::StartupError(text, util::kExitConfig);
}

Prepared prepare(const Options& options) {
  auto read = service::read_configuration_files(options.config_directory);
  if (!read) refuse_configuration(read.error().text);
  if (config::has_errors(read->problems)) refuse_configuration(service::lines_of(read->problems, false));
  Plan plan = make_plan(*read);
  if (config::has_errors(plan.problems)) refuse_configuration(service::lines_of(plan.problems, false));

  const config::Settings& settings = read->settings;
  const std::string place = settings.place_of("mail_owner");
  const auto owner = find_owner(settings.text("mail_owner"));
  if (!owner) refuse_configuration((place.empty() ? "" : place + ": ") + owner.error().text);
  const std::string log_name = settings.text("maillog_file");
  if (log_name == "/dev/stdout" && options.background)
    refuse_configuration("maillog_file = /dev/stdout needs \"hikyaku start-fg\"");
  enter_queue_directory(settings.text("queue_directory"), *owner);
  PidFile pid_file;
  auto log_file = open_log(log_name, *owner);
  if (!log_file) refuse_configuration(log_file.error().text);
  return {options.config_directory, std::move(*read),     std::move(plan),    *owner,
          std::move(pid_file),      std::move(*log_file), !options.background};
}

// Background: exit code and reason go to the one who waits. Foreground: the reason to whoever looks.
void report(bool background, int exit_code, const std::string& text) {
  if (!background) {
    if (!text.empty()) std::fprintf(stderr, "hikyaku: %s\n", text.c_str());
    return;
  }
  (void)os::write_all(kReportFd, fmt::format("{}\n{}", exit_code, text));
  const os::UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  for (const int fd : {0, 1, 2, kReportFd}) ::dup2(null.get(), fd);
}

int run(int argc, char** argv) {
  bool background = false;
  try {
    const Options options = read_options(argc, argv);
    background = options.background;
    if (background) ::fcntl(kReportFd, F_SETFD, FD_CLOEXEC);
    ::signal(SIGPIPE, SIG_IGN);
    ::umask(022);
    raise_descriptor_limit();
    event::Loop loop;
    return Master(loop, prepare(options), [&](int code, const std::string& text) { report(background, code, text); })
        .run();
  } catch (const util::StartupError& error) {
    report(background, error.exit_code(), error.what());
    return error.exit_code();
  }
}

}  // namespace

}  // namespace hikyaku::master

int main(int argc, char** argv) { return hikyaku::master::run(argc, argv); }
