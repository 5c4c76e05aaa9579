// Lines gathered and written at once, without ever blocking.
#include "log/logger.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <algorithm>

using namespace hikyaku;

namespace {

std::string content(int fd) {
  std::string text(1 << 16, '\0');
  const ssize_t n = ::pread(fd, text.data(), text.size(), 0);
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return text;
}

// A file in memory; the second descriptor is the test's.
struct LogFile {
  os::UniqueFd given{::memfd_create("log", MFD_CLOEXEC)};
  os::UniqueFd seen{::dup(given.get())};
};

}  // namespace

TEST_CASE("lines have time, host, program and pid before them, and are written by flush() only") {
  LogFile file;
  log::Logger logger("hikyaku/smtpd", "mail.example.com", std::move(file.given));
  logger.info("one");
  logger.warning("two");
  logger.error("three");
  logger.fatal("four");
  logger.record(log::Connected{{"unknown", "192.0.2.1"}});
  CHECK(content(file.seen.get()).empty());
  logger.flush();
  const std::string text = content(file.seen.get());
  const std::string who = " mail.example.com hikyaku/smtpd[" + std::to_string(::getpid()) + "]: ";
  size_t at = 0;
  for (const char* rest : {"one", "warning: two", "error: three", "fatal: four", "connect from unknown[192.0.2.1]"}) {
    const size_t end = text.find('\n', at);
    REQUIRE(end != std::string::npos);
    CHECK(text.substr(at + 15, end - at - 15) == who + rest);  // "Nov 24 21:36:00" has 15 letters
    at = end + 1;
  }
  CHECK(at == text.size());
  logger.flush();
  CHECK(content(file.seen.get()).size() == text.size());
}

TEST_CASE("after a rotation lines go to the new file, and those before it to the old one") {
  LogFile old_file, new_file;
  log::Logger logger("hikyaku/qmgr", "host", std::move(old_file.given));
  logger.info("before");
  logger.set_file(std::move(new_file.given));
  logger.info("after");
  logger.flush();
  CHECK(content(old_file.seen.get()).ends_with("before\n"));
  CHECK(content(old_file.seen.get()).find("after") == std::string::npos);
  CHECK(content(new_file.seen.get()).ends_with("after\n"));
}

TEST_CASE("a log that does not take lines holds nobody up, and what was dropped is counted") {
  int ends[2];
  REQUIRE(::pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0);
  const os::UniqueFd reader(ends[0]);
  log::Logger logger("hikyaku/qmgr", "host", os::UniqueFd(ends[1]));
  const std::string line(1000, 'x');
  for (int i = 0; i < 10'000; ++i) logger.info(line);  // 10 MB, of which a pipe takes 64 KiB
  std::string seen, piece(1 << 20, '\0');
  for (int turn = 0; turn < 200; ++turn) {
    logger.flush();
    const ssize_t n = ::read(reader.get(), piece.data(), piece.size());
    if (n > 0) seen.append(piece, 0, static_cast<size_t>(n));
  }
  CHECK(seen.size() < 10'000'000);
  CHECK(seen.find(" log lines could not be written and were dropped\n") != std::string::npos);
  logger.info("last");
  logger.flush();
  const ssize_t n = ::read(reader.get(), piece.data(), piece.size());
  REQUIRE(n > 0);
  CHECK(piece.substr(0, static_cast<size_t>(n)).ends_with("last\n"));
}
