// What a person's Ctrl-C does to a run.
#pragma once
#include <atomic>
#include <csignal>

namespace assay {

/// While it lives, the first SIGINT, SIGTERM or SIGHUP (a terminal that closes; not under nohup) asks the run to end
/// after the case at hand; a second one kills.  A reader of our output that goes away (`| head -1`) ends nothing.
class EndOnSignal {
 public:
  EndOnSignal() {
    signalled = false;
    struct sigaction action {};
    action.sa_handler = [](int) { signalled = true; };
    action.sa_flags = int(SA_RESETHAND) | SA_RESTART;
    ::sigaction(SIGINT, &action, &interrupt_);
    ::sigaction(SIGTERM, &action, &terminate_);
    ::sigaction(SIGHUP, nullptr, &hang_up_);
    if (hang_up_.sa_handler != SIG_IGN) ::sigaction(SIGHUP, &action, nullptr);
    action.sa_handler = SIG_IGN;
    action.sa_flags = 0;
    ::sigaction(SIGPIPE, &action, &pipe_);
  }
  ~EndOnSignal() {
    ::sigaction(SIGINT, &interrupt_, nullptr);
    ::sigaction(SIGTERM, &terminate_, nullptr);
    ::sigaction(SIGHUP, &hang_up_, nullptr);
    ::sigaction(SIGPIPE, &pipe_, nullptr);
  }
  EndOnSignal(const EndOnSignal&) = delete;
  EndOnSignal& operator=(const EndOnSignal&) = delete;

  // A signal handler reaches nothing but what has static storage; lock-free, as it must be.
  static inline std::atomic<bool> signalled{false};
  static_assert(std::atomic<bool>::is_always_lock_free);

 private:
  struct sigaction interrupt_ {
  }, terminate_{}, hang_up_{}, pipe_{};
};

}  // namespace assay
