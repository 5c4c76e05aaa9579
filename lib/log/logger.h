// A daemon's log: lines gathered while a turn lasts and written at once, to a file or to syslog, never blocking.
//
// A line looks as in Postfix's maillog_file: "Nov 24 21:36:00 host hikyaku/smtpd[123]: text".
#pragma once

#include <string>
#include <string_view>

#include "log/event.h"
#include "os/unique_fd.h"

namespace hikyaku::log {

class Logger {
 public:
  // `tag` is "hikyaku/smtpd"; `file` an open, appending descriptor, or nothing for syslog (/dev/log, facility mail).
  Logger(std::string tag, std::string host_name, os::UniqueFd file);

  void info(std::string_view text) { line(Level::kInfo, "", text); }
  void warning(std::string_view text) { line(Level::kWarning, "warning: ", text); }
  void error(std::string_view text) { line(Level::kError, "error: ", text); }
  void fatal(std::string_view text) { line(Level::kCritical, "fatal: ", text); }
  void record(const Event& event);

  // Writes what has gathered. What cannot be written now is kept, up to a bound; beyond it lines are dropped and
  // counted.
  void flush();
  // Log rotation: later lines go to another file.
  void set_file(os::UniqueFd file);

 private:
  enum class Level { kCritical = 2, kError = 3, kWarning = 4, kInfo = 6 };  // syslog severities
  void line(Level level, std::string_view prefix, std::string_view text);
  void begin(Level level);
  void end();
  void refresh_time();
  void send_to_syslog();

  std::string tag_, host_name_;
  os::UniqueFd file_;
  bool to_syslog_;
  std::string waiting_;
  long long time_of_stamp_ = -1;
  std::string stamp_;
  size_t dropped_ = 0;
};

}  // namespace hikyaku::log
