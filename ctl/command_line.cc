// The command line of `hikyaku`.
#include "ctl/command_line.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "ctl/ask.h"
#include "ctl/check.h"
#include "ctl/config.h"
#include "ctl/installation.h"
#include "ctl/lifecycle.h"
#include "ctl/queue.h"
#include "ctl/queue_summary.h"
#include "ctl/queue_why.h"
#include "ctl/salvage.h"
#include "ctl/verify.h"
#include "util/error.h"
#include "util/version.h"

namespace hikyaku::ctl {

namespace {

// A problem of the configuration carries its place; everything else is said in our name.
int tell(const Failure& failure) {
  std::string text = failure.text;
  while (text.ends_with('\n')) text.pop_back();
  std::fprintf(stderr, "%s%s\n", failure.exit_code == util::kExitConfig ? "" : "hikyaku: ", text.c_str());
  return failure.exit_code;
}

int guarded(const std::function<int()>& command) {
  try {
    const int code = command();
    if (std::fflush(stdout) == 0) return code;
    return tell({util::kExitTryAgain, "standard output cannot be written"});
  } catch (const Failure& failure) {
    return tell(failure);
  } catch (const util::StartupError& error) {
    return tell({error.exit_code(), error.what()});
  }
}

int not_built(const std::string& name) { return tell({util::kExitUnavailable, name + " is not built yet"}); }

// What the options of all commands are stored in; only those of the one that was given count.
class CommandLine {
 public:
  CommandLine();
  int run(int argc, char** argv);

 private:
  // `run` is called after everything was parsed.
  CLI::App* add(CLI::App& parent, const std::string& name, const std::string& help, std::function<int()> run);
  void add_lifecycle();
  void add_queue();
  void add_filters(CLI::App& command);
  void add_queue_action(CLI::App& queue, const std::string& name, const std::string& help, ipc::Verb verb);
  void add_queue_questions(CLI::App& queue);
  void add_queue_files(CLI::App& queue);
  void add_config();
  void add_unbuilt(CLI::App& parent, const std::string& name, const std::string& help);
  std::string directory() const { return config_directory_of(directory_); }

  CLI::App app_{"Hikyaku, the mail relay", "hikyaku"};
  std::function<int()> chosen_;
  std::string directory_, id_, target_, assignment_;
  bool json_ = false, dry_run_ = false, envelope_ = false, header_ = false, body_ = false, doc_ = false;
  Chosen messages_;
  ConfigOptions config_;
};

CommandLine::CommandLine() {
  app_.set_help_flag("--help", "Say how it is used");  // -h has another meaning in some commands
  app_.set_version_flag("--version", std::string(util::kVersion));
  app_.add_option("-c", directory_, "Configuration directory (else $MAIL_CONFIG, else /etc/hikyaku)")->type_name("DIR");
  app_.require_subcommand(1);
  add_lifecycle();
  add_queue();
  add_config();
  for (const char* name : {"route", "map", "log", "bounces", "stats", "top"}) add_unbuilt(app_, name, "");
}

int CommandLine::run(int argc, char** argv) {
  try {
    app_.parse(argc, argv);
  } catch (const CLI::RequiredError& error) {
    // It complains of the command that is missing before it does of the word that is none.
    const auto words = app_.remaining(true);
    if (words.empty()) return app_.exit(error), util::kExitUsage;
    return tell({util::kExitUsage, "there is no command \"" + words.front() + "\"; see hikyaku --help"});
  } catch (const CLI::ParseError& error) {
    return app_.exit(error) == 0 ? 0 : util::kExitUsage;
  }
  return guarded(chosen_);
}

CLI::App* CommandLine::add(CLI::App& parent, const std::string& name, const std::string& help,
                           std::function<int()> run) {
  CLI::App* command = parent.add_subcommand(name, help);
  command->callback([this, run = std::move(run)] { chosen_ = run; });
  return command;
}

void CommandLine::add_unbuilt(CLI::App& parent, const std::string& name, const std::string& help) {
  const std::string full = (&parent == &app_ ? "" : parent.get_name() + " ") + name;
  add(parent, name, help + (help.empty() ? "" : " ") + "(not built yet)", [full] {
    return not_built(full);
  })->allow_extras();
}

void CommandLine::add_lifecycle() {
  using ipc::MasterVerb;
  add(app_, "start", "Start all services; returns when they are ready", [this] { return start(directory()); });
  add(app_, "start-fg", "Start and stay in the foreground", [this] { return start_in_foreground(directory()); });
  add(app_, "stop", "Finish what is in hand, then stop", [this] { return stop(directory(), MasterVerb::kStop); });
  add(app_, "abort", "Stop at once", [this] { return stop(directory(), MasterVerb::kAbort); });
  add(app_, "reload", "Apply changed files", [this] { return reload(directory()); });
  add(app_, "status", "What runs", [this] { return status(directory(), json_); })->add_flag("--json", json_, "As JSON");
  add(app_, "check", "What is wrong in main.cf and master.cf", [this] { return check(directory()); });
  add(app_, "flush", "Try all waiting mail now, but what is held", [this] {
    return flush(directory(), json_);
  })->add_flag("--json", json_, "As JSON");
}

void CommandLine::add_filters(CLI::App& command) {
  command.add_option("--sender", messages_.sender, "Only messages from this sender");
  command.add_option("--recipient", messages_.recipient, "Only messages to this recipient");
  command.add_option("--domain", messages_.domain, "Only messages to this domain");
}

void CommandLine::add_queue_action(CLI::App& queue, const std::string& name, const std::string& help, ipc::Verb verb) {
  CLI::App* action = add(queue, name, help, [this, verb] {
    return act(directory(), verb, messages_, {dry_run_, json_});
  });
  action->add_option("ID", messages_.ids, "Queue IDs; ALL; - reads them from standard input");
  action->add_flag("--dry-run", dry_run_, "Only say what would be done");
  action->add_flag("--json", json_, "As JSON");
  add_filters(*action);
}

void CommandLine::add_queue() {
  CLI::App& queue = *app_.add_subcommand("queue", "The messages that wait");
  queue.require_subcommand(1);
  add_queue_questions(queue);
  using ipc::Verb;
  add_queue_action(queue, "retry", "Try to deliver now; held mail stays held", Verb::kRetry);
  add_queue_action(queue, "hold", "Keep from being tried until it is released", Verb::kHold);
  add_queue_action(queue, "release", "Put held mail back into its schedule", Verb::kRelease);
  add_queue_action(queue, "expire", "Give up now, and report to the sender", Verb::kExpire);
  add_queue_action(queue, "delete", "Remove for good, without telling the sender", Verb::kDelete);
  add_queue_files(queue);
}

void CommandLine::add_queue_questions(CLI::App& queue) {
  CLI::App* list = add(queue, "list", "As mailq", [this] { return list_queue(directory(), messages_, json_); });
  list->add_flag("--json", json_, "One JSON object a line");
  add_filters(*list);
  CLI::App* show = add(queue, "show", "A message's envelope and content", [this] {
    const bool all = !envelope_ && !header_ && !body_;
    return show_message(directory(), id_, {all || envelope_, all || header_, all || body_}, json_);
  });
  show->add_option("ID", id_, "Queue ID")->required();
  show->add_flag("--json", json_, "As `queue list --json`");
  show->add_flag("-e", envelope_, "The envelope");
  show->add_flag("-h", header_, "The header");
  show->add_flag("-b", body_, "The body");
  CLI::App* summary = add(queue, "summary", "Recipients by domain and age in minutes, with the usual reason",
                          [this] { return summarize_queue(directory(), messages_, json_); });
  summary->add_flag("--json", json_, "As JSON");
  add_filters(*summary);
  CLI::App* why =
      add(queue, "why", "What a message waits for", [this] { return explain_message(directory(), id_, json_); });
  why->add_option("ID", id_, "Queue ID")->required();
  why->add_flag("--json", json_, "As JSON");
}

// What needs no daemon, and must not meet one.
void CommandLine::add_queue_files(CLI::App& queue) {
  add(queue, "verify", "Read all that is on disk and say what is damaged (only when stopped)", [this] {
    return verify_queue(directory(), json_);
  })->add_flag("--json", json_, "As JSON");
  CLI::App* salvage = add(queue, "salvage", "Copy every intact message out of the queue (only when stopped)",
                          [this] { return salvage_queue(directory(), target_, json_); });
  salvage->add_option("DIRECTORY", target_, "New or empty; gets ID.eml and ID.envelope.json")->required();
  salvage->add_flag("--json", json_, "As JSON");
}

void CommandLine::add_config() {
  CLI::App* config = add(app_, "config", "Settings, as postconf shows them", [this] {
    if (!assignment_.empty() || (!config_.keys.empty() && config_.keys.front() == "import"))
      return not_built(assignment_.empty() ? "config import" : "config -e");
    return doc_ ? show_doc(directory(), config_.keys) : show_config(directory(), config_);
  });
  config->add_option("KEY", config_.keys, "Only these (with --doc: what they mean)");
  config->add_flag("-n", config_.only_set, "Only what main.cf sets");
  config->add_flag("-d", config_.defaults, "The defaults");
  config->add_flag("-h", config_.values_only, "Values without names");
  config->add_flag("-x", config_.expanded, "With $names expanded");
  config->add_flag("--doc", doc_, "What the keys mean");
  config->add_flag("--json", config_.json, "One JSON object a line");
  config->add_option("-e", assignment_, "Change main.cf (not built yet)")->type_name("KEY=VALUE");
}

}  // namespace

int run_hikyaku(int argc, char** argv) { return CommandLine().run(argc, argv); }

int run_mailq() {
  return guarded([] { return list_queue(config_directory_of(""), {}, false); });
}

int run_sendmail(int argc, char** argv) {
  for (int i = 1; i < argc; ++i)
    if (std::string_view(argv[i]) == "-bp") return run_mailq();
  return not_built("sendmail");
}

int run_newaliases() { return not_built("newaliases"); }

}  // namespace hikyaku::ctl
