// Printed from where cases begin and end, not from a thread of its own, which would disturb what is measured; so a line
// can be late by the length of one case.  Written with fputs, which does not throw: a full or closed stderr is no
// reason to lose a measurement.
#include "harness/runner/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

namespace assay {
namespace {

constexpr double kLineEverySeconds = 10;
constexpr double kTerminalEverySeconds = 0.2;  // of what reports more often than one can read

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

std::string duration(double seconds) {
  const long whole = std::max(0L, long(seconds + 0.5));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
}

/// What the updating line may take: one column less than the terminal has, where the cursor rests.
std::size_t line_columns(std::FILE* terminal) {
  constexpr std::size_t kMost = 100;
  winsize size{};
  if (::ioctl(::fileno(terminal), TIOCGWINSZ, &size) != 0 || size.ws_col < 2) return kMost;
  return std::min(kMost, std::size_t(size.ws_col) - 1);
}

}  // namespace

Progress::Progress(std::FILE* stream, bool quiet)
    : stream_(stream), quiet_(quiet), terminal_(::isatty(::fileno(stream)) == 1) {}

void Progress::start(std::size_t cases, double budget_seconds) {
  cases_ = cases;
  finished_ = 0;
  budget_seconds_ = budget_seconds;
  started_ = now();
}

void Progress::begin(const std::string& case_id) {
  current_ = case_id;
  print(false);
}

void Progress::finish(const Record& record) {
  ++finished_;
  current_ = record.point.id() + ": " + name(record.outcome.kind);
  print(false);
}

void Progress::done() {
  if (cases_ > 0) print(true);
  if (!quiet_ && terminal_ && printed_ > 0) std::fputs("\n", stream_);
}

/// What is left: by the budget before the first case has finished, then by what the cases took so far.
double Progress::remaining_seconds() const {
  const double left = double(cases_ - std::min(finished_, cases_));
  return left * (finished_ == 0 ? budget_seconds_ : (now() - started_) / double(finished_));
}

void Progress::at(double seconds, double of_seconds, const std::string& what) {
  if (!is_due(false)) return;
  current_ = what;
  print_line(fmt::format("[{} of {}]", duration(std::min(seconds, of_seconds)), duration(of_seconds)));
}

bool Progress::is_due(bool force) const {
  const double every = terminal_ ? kTerminalEverySeconds : kLineEverySeconds;
  return !quiet_ && (force || now() - printed_ >= every);
}

void Progress::print(bool force) {
  if (!is_due(force || terminal_)) return;
  const std::string left = finished_ >= cases_ ? fmt::format("took {}", duration(now() - started_))
                                               : fmt::format("about {} left", duration(remaining_seconds()));
  print_line(fmt::format("[{}/{}] {}", finished_, cases_, left));
}

void Progress::print_line(const std::string& head) {
  printed_ = now();
  if (terminal_) {
    // One line: a longer one would wrap, and the next could not overwrite it.
    const std::size_t columns = line_columns(stream_);
    const std::string line = fmt::format("{}  {}", head, current_).substr(0, columns);
    std::fputs(fmt::format("\r{:<{}}", line, columns).c_str(), stream_);
  } else {
    std::fputs(fmt::format("{}  {}\n", head, current_).c_str(), stream_);
  }
  std::fflush(stream_);
}

}  // namespace assay
