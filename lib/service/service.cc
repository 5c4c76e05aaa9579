// The main function of every daemon.
#include "service/service.h"

#include <fmt/format.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <optional>

#include "ipc/channel.h"
#include "ipc/messages.h"
#include "util/error.h"
#include "util/text.h"

namespace hikyaku::service {

namespace {

constexpr event::Duration kStopWithin = std::chrono::seconds(10);  // on SIGTERM, when master names no bound

// The name in the log: Postfix's delivery agent is "smtp", and so is ours.
std::string log_name(const std::string& program) { return program == "smtp-client" ? "smtp" : program; }

class Process final : public Context, public ipc::ChannelHandler {
 public:
  Process(const std::string& program, const std::function<std::unique_ptr<Daemon>(Context&)>& make)
      : program_(program), make_(make), drain_bound_(loop_, [this] { finish(); }) {
    master_.emplace(loop_, os::UniqueFd(kMasterPipe), *this);
    terminate_.emplace(loop_, SIGTERM, [this] { drain(kStopWithin); });
    const auto write_log = [this] {
      if (logger_) logger_->flush();
    };
    loop_.before_turn_end(write_log);
    loop_.after_every_turn(write_log);
  }

  int run() {
    loop_.run();
    if (master_) master_->flush();
    daemon_.reset();
    if (logger_) logger_->flush();
    return exit_code_;
  }

  event::Loop& loop() override { return loop_; }
  log::Logger& logger() override { return *logger_; }
  const config::Settings& settings() const override { return *settings_; }
  const std::string& service() const override { return start_.service; }
  std::vector<GivenListener>& listeners() override { return listeners_; }
  void ready() override {
    if (master_) master_->send(ipc::Ready{start_.generation});
  }
  void fail(const std::string& reason, int exit_code) override {
    logger_->fatal(reason);
    if (master_) master_->send(ipc::CannotRun{reason, exit_code});
    exit_code_ = exit_code;
    loop_.stop();
  }
  void finish() override { loop_.stop(); }

 private:
  bool on_frame(ipc::Channel&, ipc::Frame& frame) override {
    if (frame.type == ipc::Start::kType) return !daemon_ && ipc::decode_all(frame.payload, start_) && begin(frame);
    if (!daemon_) return false;
    if (frame.type == ipc::Reload::kType) return reload(frame);
    return ipc::dispatch<ipc::Drain, ipc::Ping>(frame, [this](const auto& message) { told(message); });
  }

  void on_closed(ipc::Channel&, const std::string&) override {
    // Master is gone: whoever stayed would work on a queue that another master's daemons open next.
    master_.reset();
    loop_.stop();
  }

  void told(const ipc::Drain& drain_order) { drain(std::chrono::milliseconds(drain_order.within)); }
  void told(const ipc::Ping& ping) { master_->send(ipc::Pong{ping.number}); }

  bool begin(ipc::Frame& frame) {
    if (frame.descriptors.size() != start_.listeners.size() + (start_.log_to_file ? 1 : 0)) return false;
    auto settings = config::Settings::from_snapshot(start_.settings);
    if (!settings) return false;
    settings_ = std::move(*settings);
    for (size_t i = 0; i < start_.listeners.size(); ++i)
      listeners_.push_back(
          {start_.listeners[i].internet, start_.listeners[i].address, std::move(frame.descriptors[i])});
    logger_.emplace(settings_->text("syslog_name") + "/" + log_name(program_), settings_->host_name(),
                    start_.log_to_file ? std::move(frame.descriptors.back()) : os::UniqueFd());
    try {
      daemon_ = make_(*this);
    } catch (const util::StartupError& error) {
      fail(error.what(), error.exit_code());
      return true;
    }
    if (daemon_->ready_at_once()) ready();
    return true;
  }

  bool reload(ipc::Frame& frame) {
    ipc::Reload order;
    if (!ipc::decode_all(frame.payload, order) || frame.descriptors.size() != (order.log_to_file ? 1u : 0u))
      return false;
    auto settings = config::Settings::from_snapshot(order.settings);
    if (!settings) return false;
    settings_ = std::move(*settings);
    start_.generation = order.generation;
    logger_->set_file(order.log_to_file ? std::move(frame.descriptors.front()) : os::UniqueFd());
    daemon_->reload(*settings_);
    ready();
    return true;
  }

  void drain(event::Duration within) {
    if (!daemon_) return finish();
    drain_bound_.set(within);
    daemon_->drain(within);
  }

  std::string program_;
  std::function<std::unique_ptr<Daemon>(Context&)> make_;
  event::Loop loop_;
  event::Timer drain_bound_;
  std::optional<event::Signal> terminate_;
  std::optional<ipc::Channel> master_;
  ipc::Start start_;
  std::optional<config::Settings> settings_;
  std::optional<log::Logger> logger_;
  std::vector<GivenListener> listeners_;
  std::unique_ptr<Daemon> daemon_;
  int exit_code_ = 0;
};

// The program is executed as root, because its path may lead through folders that only root can pass, and gives its
// privileges up here, before it has read a byte. The time zone is looked up while its file can be reached.
bool become_user(int argc, char** argv) {
  ::tzset();
  if (argc != 3 || std::string_view(argv[1]) != "--run-as") return argc == 1;
  const std::string_view text = argv[2];
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return false;
  const auto uid = util::parse_number(text.substr(0, colon)), gid = util::parse_number(text.substr(colon + 1));
  if (!uid || !gid || *uid == 0) return false;
  const auto user = static_cast<uid_t>(*uid);
  const auto group = static_cast<gid_t>(*gid);
  return ::setgroups(1, &group) == 0 && ::setresgid(group, group, group) == 0 && ::setresuid(user, user, user) == 0 &&
         ::prctl(PR_SET_DUMPABLE, 0) == 0;
}

}  // namespace

int run(int argc, char** argv, const std::function<std::unique_ptr<Daemon>(Context&)>& make) {
  const std::string_view path = argc > 0 ? argv[0] : "";
  const std::string program(path.substr(path.rfind('/') + 1));
  struct stat status {};
  if (::fstat(kMasterPipe, &status) != 0 || !S_ISSOCK(status.st_mode)) {
    std::fprintf(stderr, "%s: this daemon is started by master; use \"hikyaku start\"\n", program.c_str());
    return util::kExitUsage;
  }
  if (!become_user(argc, argv)) {
    std::fprintf(stderr, "%s: cannot give up privileges\n", program.c_str());
    return util::kExitNoPermission;
  }
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGINT, SIG_IGN);  // a terminal's ^C is for master
  ::signal(SIGHUP, SIG_IGN);
  ::umask(077);
  try {
    return Process(program, make).run();
  } catch (const util::StartupError& error) {
    std::fprintf(stderr, "%s: %s\n", program.c_str(), error.what());
    return error.exit_code();
  }
}

}  // namespace hikyaku::service
