// The command line of `hikyaku`: which command with which options.
#pragma once

namespace hikyaku::ctl {

// Runs the command and returns the exit code; a Failure is told and becomes one.
int run_hikyaku(int argc, char** argv);
// Under the names that programs and people know from other mail systems.
int run_mailq();
int run_sendmail(int argc, char** argv);
int run_newaliases();

}  // namespace hikyaku::ctl
