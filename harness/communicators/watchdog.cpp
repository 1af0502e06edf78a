#include "harness/communicators/watchdog.h"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <exception>

namespace assay {

Watchdog::Watchdog(RankIdentity self, double deadline)
    : self_(std::move(self)), deadline_(deadline), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

double Watchdog::period() const { return std::clamp(deadline_ / 10, 0.05, 1.0); }

void Watchdog::set_deadline(double seconds) {
  deadline_ = seconds;
  wake();  // it may be asleep for longer than it now should
}

void Watchdog::set_save(Save save) {
  const std::scoped_lock lock(save_mutex_);
  save_ = std::move(save);
}

std::string Watchdog::save(const std::string& why) {
  const std::scoped_lock lock(save_mutex_);
  if (!save_) return {};
  try {
    return std::exchange(save_, nullptr)(why);
  } catch (const std::exception& error) {
    return fmt::format("assay: what was finished could not be saved: {}\n", error.what());
  }
}

void Watchdog::say(const std::string& lines) {
  for (std::size_t done = 0; done < lines.size();) {
    const ssize_t written = ::write(STDERR_FILENO, lines.data() + done, lines.size() - done);
    if (written <= 0) return;  // nobody reads it
    done += std::size_t(written);
  }
}

pollfd Watchdog::end_of(const LineSocket& socket) { return {socket.descriptor(), POLLRDHUP, 0}; }

void Watchdog::wake() { ::eventfd_write(wake_.get(), 1); }

void Watchdog::start() {
  // Signals are for the measuring thread: one delivered here would not interrupt what that one waits in.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { loop(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Watchdog::stop() {
  stopping_ = true;
  wake();
  if (thread_.joinable()) thread_.join();
}

void Watchdog::loop() {
  // Longer than any scheduler keeps a thread that is ready: the process, or the machine, was stopped.
  constexpr double kStopped = 2;
  double last = monotonic_seconds();
  while (!stopping_) {
    const double now = monotonic_seconds();
    const bool slept_too_long = now - last > period() + kStopped;
    last = now;
    if (slept_too_long) board_.goes_on();
    step(now, slept_too_long);
    std::vector<pollfd> waiting = awaited();
    waiting.push_back({wake_.get(), POLLIN, 0});
    ::poll(waiting.data(), nfds_t(waiting.size()), int(period() * 1000));
    eventfd_t ignored;
    ::eventfd_read(wake_.get(), &ignored);
  }
}

}  // namespace assay
