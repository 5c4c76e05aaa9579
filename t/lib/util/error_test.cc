// Failure as a value: temporary when in doubt.
#include "util/error.h"

#include <catch2/catch.hpp>
#include <cerrno>

using namespace hikyaku::util;

TEST_CASE("an error is temporary unless somebody says that it is permanent") {
  CHECK_FALSE(Error{"x"}.permanent);
  const Result<int> later = temporary("later"), never = permanent("never");
  REQUIRE_FALSE(later.has_value());
  CHECK(later.error() == Error{"later", false});
  CHECK(never.error() == Error{"never", true});
}

TEST_CASE("a failed system call is told with what was tried and why it failed, and is temporary") {
  const Result<void> failed = system_error("open /etc/x", ENOENT);
  CHECK(failed.error() == Error{"open /etc/x: No such file or directory", false});
}

TEST_CASE("a start that fails carries its exit code: that of a wrong configuration, unless another is given") {
  CHECK(StartupError("x").exit_code() == 78);
  CHECK(StartupError("x", kExitNoPermission).exit_code() == 77);
  CHECK(std::string(StartupError("main.cf:3: no").what()) == "main.cf:3: no");
}

TEST_CASE("what holds is no panic") { CHECK_NOTHROW(ensure(true, "never said")); }
