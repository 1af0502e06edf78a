#include "harness/runner/side_by_side.h"

#include <sched.h>

#include <exception>
#include <thread>

#include "harness/backends/cores.h"

namespace assay {
namespace {

/// A thread inherits the single core that a CPU backend pinned its maker to.
void use_all_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int core : process_cores()) CPU_SET(core, &set);
  ::sched_setaffinity(0, sizeof set, &set);  // where it is refused the thread stays where it is: slower, not wrong
}

}  // namespace

void run_side_by_side(const std::vector<std::function<void()>>& works) {
  std::vector<std::exception_ptr> errors(works.size());
  const auto run = [&](std::size_t i) {
    try {
      works[i]();
    } catch (...) {
      errors[i] = std::current_exception();
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i + 1 < works.size(); ++i)
    threads.emplace_back([&, i] {
      use_all_cores();
      run(i);
    });
  if (!works.empty()) run(works.size() - 1);
  for (auto& thread : threads) thread.join();
  for (const auto& error : errors)
    if (error) std::rethrow_exception(error);
}

}  // namespace assay
