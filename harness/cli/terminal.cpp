#include "harness/cli/terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>

#include "harness/core/error.h"

namespace assay {
namespace {

bool quiet = false;  // --quiet of a verb that has no progress to be quiet about

const char* launcher_rank() {
  for (const char* variable : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"})
    if (const char* rank = std::getenv(variable)) return rank;
  return nullptr;
}

/// mpirun gives its processes a terminal of its own, wherever it passes on to what they write.
bool on_terminal() { return ::isatty(STDOUT_FILENO) == 1 && !launcher_rank(); }

/// Edits (insert, remove, replace a character) from one word to the other.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t(0));
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

int terminal_columns() {
  constexpr int kLeast = 20;  // narrower than any terminal: what says so is none
  winsize size{};
  if (!on_terminal() || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kNoTerminal.columns;
  return std::max<int>(kLeast, size.ws_col);
}

Style terminal_style() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string_view(value ? value : "");
  };
  const bool colour = on_terminal() && variable("NO_COLOR").empty() && variable("TERM") != "dumb";
  return {terminal_columns(), colour};
}

bool is_printing_process() {
  const char* rank = launcher_rank();
  return !rank || std::string_view(rank) == "0";
}

void occupy_standard_streams() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(descriptor, F_GETFD) >= 0 || errno != EBADF) continue;
    // In this order, the lowest number that is free is this one.
    const int opened = ::open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    if (opened >= 0 && opened != descriptor) ::close(opened);
  }
}

void be_quiet(bool yes) { quiet = yes; }

void print_text(std::string_view text) {
  print(on_terminal() ? folded(harmless(text), terminal_columns()) : std::string(text));
}

void print(std::string_view text) {
  if (quiet || !is_printing_process()) return;
  errno = 0;
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  const bool flushed = std::fflush(stdout) == 0;
  if ((written && flushed) || errno == EPIPE) return;
  throw MeasureError(std::string("standard output: cannot write: ") + std::strerror(errno));
}

std::string nearest(std::string_view word, const std::vector<std::string>& known) {
  std::string best;
  std::size_t distance = std::max<std::size_t>(2, word.size() / 3) + 1;  // further is no misspelling
  for (const auto& candidate : known)
    if (const std::size_t d = edit_distance(word, candidate); d < distance) {
      distance = d;
      best = candidate;
    }
  return best;
}

}  // namespace assay
