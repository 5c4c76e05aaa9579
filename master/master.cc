// Start, reload, stop.
#include "master/master.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "service/configuration_files.h"
#include "util/error.h"
#include "util/text.h"
#include "util/version.h"

namespace hikyaku::master {

namespace {

constexpr std::string_view kWarning = "warning: ";
constexpr const char* kControlPath = "private/master";
constexpr event::Duration kLongestChange = std::chrono::seconds(60);

std::string tag_of(const config::Settings& settings) { return settings.text("syslog_name") + "/master"; }

os::UniqueFd duplicate(const os::UniqueFd& fd) {
  return fd ? os::UniqueFd(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3)) : os::UniqueFd();
}

}  // namespace

Master::Master(event::Loop& loop, Prepared prepared, Report report)
    : loop_(loop),
      in_force_(std::move(prepared)),
      report_(std::move(report)),
      logger_(tag_of(in_force_.configuration.settings), in_force_.configuration.settings.host_name(),
              duplicate(in_force_.log_file)),
      launcher_{in_force_.owner, in_force_.log_file.get(), in_force_.foreground},
      listeners_(Listeners::protocols_of(in_force_.configuration.settings), in_force_.owner),
      advance_(loop, [this] { advance(); }),
      reap_(loop, [this] { reap(); }),
      crew_({loop, logger_, launcher_}, listeners_, in_force_.log_file, [this] { advance_.schedule(); }),
      // At the turn's end: what a daemon said with its last breath is read before.
      child_ended_(loop, SIGCHLD, [this] { reap_.schedule(); }),
      terminate_(loop, SIGTERM, [this] { stop({}, "signal 15"); }),
      interrupt_(loop, SIGINT, [this] { stop({}, "signal 2"); }),
      hang_up_(loop, SIGHUP, [this] { reload({}); }),
      change_bound_(loop, [this] { change_took_too_long(); }) {
  loop_.after_every_turn([this] { logger_.flush(); });
  auto control = listen_for_owner(kControlPath, in_force_.owner);
  if (!control) throw util::StartupError(control.error().text, util::kExitUnavailable);
  control_.emplace(loop_, std::move(*control),
                   [this](Control::Ticket ticket, ipc::MasterVerb verb) { asked(ticket, verb); });
  if (auto bound = listeners_.bind_new(in_force_.plan.services); !bound) {
    logger_.fatal(bound.error().text);
    logger_.flush();
    ::unlink(kControlPath);
    throw util::StartupError(bound.error().text, util::kExitUnavailable);
  }
}

int Master::run() {
  for (const auto& problem : in_force_.configuration.problems) logger_.warning(problem.place + ": " + problem.text);
  crew_.begin_start(in_force_.plan.services);
  loop_.run();
  return exit_code_;
}

void Master::advance() {
  crew_.forget_ended();
  if (phase_ == Phase::kStarting) {
    const Progress progress = crew_.advance_start();
    if (progress == Progress::kDone) started();
    if (progress == Progress::kFailed) start_failed(crew_.failure().exit_code, crew_.failure().reason);
  } else if (phase_ == Phase::kServing && crew_.change_under_way()) {
    change_ended(crew_.advance_change());
  }
  if (phase_ == Phase::kStopping && crew_.advance_stop() == Progress::kDone) finish();
}

// ---- start -------------------------------------------------------------------------------------------------------

void Master::started() {
  phase_ = Phase::kServing;
  logger_.info(
      fmt::format("daemon started -- version {}, configuration {}", util::kVersion, in_force_.config_directory));
  report_(0, {});
}

void Master::start_failed(int exit_code, const std::string& reason) {
  phase_ = Phase::kStopping;
  exit_code_ = exit_code;
  failure_ = reason;
  logger_.fatal(reason);
  crew_.kill_all();
}

// ---- the operator ------------------------------------------------------------------------------------------------

void Master::asked(Control::Ticket ticket, ipc::MasterVerb verb) {
  switch (verb) {
    case ipc::MasterVerb::kStatus:
      return control_->answer(ticket, status());
    case ipc::MasterVerb::kReload:
      return reload(ticket);
    case ipc::MasterVerb::kStop:
      return stop(ticket, "the operator's command");
    case ipc::MasterVerb::kAbort:
      return abort(ticket);
  }
}

ipc::MasterAnswer Master::status() const {
  constexpr const char* kPhases[] = {"starting", "running", "draining"};
  ipc::MasterAnswer answer;
  answer.services.push_back({"master", kPhases[static_cast<int>(phase_)], {::getpid()}, 0});
  for (auto& service : crew_.status()) answer.services.push_back(std::move(service));
  return answer;
}

void Master::log_lines(const std::string& text) {
  for (const auto line : util::split(text, "\n"))
    logger_.warning(line.starts_with(kWarning) ? line.substr(kWarning.size()) : line);
}

// ---- reload ------------------------------------------------------------------------------------------------------

void Master::reload(std::optional<Control::Ticket> ticket) {
  std::optional<ipc::MasterAnswer> refusal;
  if (phase_ != Phase::kServing)
    refusal = {util::kExitTryAgain, "not running yet, or not any more\n", {}};
  else if (crew_.change_under_way())
    refusal = {util::kExitTryAgain, "another reload is under way\n", {}};
  else
    refusal = prepare_change();
  if (refusal) {
    logger_.warning("reload refused, the running configuration stays");
    log_lines(refusal->text);
    if (ticket) control_->answer(*ticket, *refusal);
    return;
  }
  change_asked_by_ = ticket;
  change_bound_.set(kLongestChange);
  crew_.begin_change(next_plan_);
}

// Reads, checks, opens and binds; nothing that runs is changed. An answer: it cannot be applied.
std::optional<ipc::MasterAnswer> Master::prepare_change() {
  const auto refuse = [](int code, const std::string& text) { return ipc::MasterAnswer{code, text, {}}; };
  auto read = service::read_configuration_files(in_force_.config_directory);
  if (!read) return refuse(util::kExitConfig, read.error().text + "\n");
  Plan plan = make_plan(*read);
  std::string wrong = service::lines_of(read->problems, false);
  if (wrong.empty()) wrong = service::lines_of(plan.problems, false);
  if (!wrong.empty()) return refuse(util::kExitConfig, wrong);
  auto log_file = open_log(read->settings.text("maillog_file"), in_force_.owner);
  if (!log_file) return refuse(util::kExitConfig, log_file.error().text + "\n");
  if (auto bound = listeners_.bind_new(plan.services); !bound)
    return refuse(util::kExitUnavailable, bound.error().text + "\n");
  change_notices_.clear();
  for (const auto& key : keys_that_need_restart(in_force_.configuration.settings, read->settings))
    change_notices_ += fmt::format("warning: {} has changed: only stop and start apply it\n", key);
  in_force_.log_file = std::move(*log_file);
  logger_.set_file(duplicate(in_force_.log_file));
  launcher_.error_output = in_force_.log_file.get();
  next_ = std::move(*read);
  next_plan_ = std::move(plan.services);
  return std::nullopt;
}

void Master::change_ended(Progress progress) {
  if (progress == Progress::kUnderWay) return;
  if (progress == Progress::kFailed) {
    listeners_.close_others(in_force_.plan.services);
    return end_change(crew_.failure().exit_code, crew_.failure().reason);
  }
  in_force_.configuration = std::move(*next_);
  in_force_.plan.services = std::move(next_plan_);
  listeners_.close_others(in_force_.plan.services);
  logger_.info(fmt::format("reload -- version {}, configuration {}", util::kVersion, in_force_.config_directory));
  log_lines(change_notices_);
  end_change(0, {});
}

void Master::change_took_too_long() {
  const Progress progress = crew_.give_up_change();
  if (progress == Progress::kDone) change_notices_ += "warning: some daemons have not taken the new settings yet\n";
  change_ended(progress);
}

void Master::end_change(int exit_code, const std::string& text) {
  change_bound_.cancel();
  if (exit_code != 0) logger_.warning("reload: " + text);
  if (const auto ticket = std::exchange(change_asked_by_, std::nullopt))
    control_->answer(*ticket, {exit_code, change_notices_ + (text.empty() ? "" : text + "\n"), {}});
}

// ---- stop --------------------------------------------------------------------------------------------------------

void Master::stop(std::optional<Control::Ticket> ticket, const std::string& why) {
  if (ticket) stop_asked_by_.push_back(*ticket);
  if (phase_ == Phase::kStopping) return;
  logger_.info("stopping: " + why);
  if (phase_ == Phase::kStarting) {
    exit_code_ = util::kExitTryAgain;
    failure_ = fmt::format("stopped before all was ready: {}", crew_.not_ready());
  }
  phase_ = Phase::kStopping;
  change_bound_.cancel();
  crew_.begin_stop();
}

void Master::abort(std::optional<Control::Ticket> ticket) {
  stop(ticket, "at once, by the operator's command");
  crew_.kill_all();
}

// What another master needs is free before anybody is told.
void Master::finish() {
  if (std::exchange(finished_, true)) return;
  listeners_.close_others({});
  ::unlink(kControlPath);
  logger_.info("stopped");
  logger_.flush();
  in_force_.pid_file.release();
  if (change_asked_by_) control_->answer(*change_asked_by_, {util::kExitTryAgain, "stopped meanwhile\n", {}});
  for (const auto ticket : stop_asked_by_) control_->answer(ticket, {});
  if (!failure_.empty()) report_(exit_code_, failure_);
  loop_.stop();
}

// Orphans too: in a container, master is process 1 and they are its children.
void Master::reap() {
  int status = 0;
  pid_t pid;
  while ((pid = ::waitpid(-1, &status, WNOHANG)) > 0 || (pid < 0 && errno == EINTR))
    if (pid > 0) (void)crew_.reaped(pid, status);
}

}  // namespace hikyaku::master
