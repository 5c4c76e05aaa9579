// Keeps signals away from threads: a thread starts with those blocked that its maker has blocked.
#pragma once

#include <signal.h>

namespace hikyaku::os {

// While it lives, threads can be started that get no signal: all signals are the loop's.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace hikyaku::os
