// SignalsBlocked: while an object lives, no signal is delivered to this thread, and new threads inherit that.
// Used around every call into libcurl. Independent of the meaning of the signals.
#pragma once

#include <csignal>

namespace cloudsat::net {

class SignalsBlocked {
public:
    SignalsBlocked() noexcept {
        sigset_t all;
        sigfillset(&all);
        // Faults of this very thread: if blocked, they would kill the process without its handler's report.
        for (const int fault : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) {
            sigdelset(&all, fault);
        }
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;

private:
    sigset_t before_;
};

} // namespace cloudsat::net
