// How failure is told: a value for what can fail while the loop runs, an exception before it.
#pragma once

#include <expected>
#include <stdexcept>
#include <string>

namespace hikyaku::util {

// Exit codes of every command and daemon (sysexits.h).
inline constexpr int kExitUsage = 64;
inline constexpr int kExitData = 65;
inline constexpr int kExitUnavailable = 69;
inline constexpr int kExitSoftware = 70;
inline constexpr int kExitTryAgain = 75;
inline constexpr int kExitNoPermission = 77;
inline constexpr int kExitConfig = 78;

// A failure that its caller must sort: try again later, or give up. Temporary when in doubt, because
// mail that is retried once too often is repaired by the next hop, and mail given up is lost.
struct Error {
  std::string text;
  bool permanent = false;

  bool operator==(const Error&) const = default;
};

template <class T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> temporary(std::string text) { return std::unexpected(Error{std::move(text), false}); }
inline std::unexpected<Error> permanent(std::string text) { return std::unexpected(Error{std::move(text), true}); }

// "open /etc/x: No such file or directory", temporary. `error_number` is an errno value.
std::unexpected<Error> system_error(std::string_view what, int error_number);

// Thrown only before a daemon's loop runs: one clear line for the operator and the exit code.
class StartupError : public std::runtime_error {
 public:
  explicit StartupError(const std::string& text, int exit_code = kExitConfig)
      : std::runtime_error(text), exit_code_(exit_code) {}
  int exit_code() const { return exit_code_; }

 private:
  int exit_code_;
};

// For our own bugs, never for input: prints `what` and aborts.
void ensure(bool condition, const char* what);

}  // namespace hikyaku::util
