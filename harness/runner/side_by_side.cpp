#include "harness/runner/side_by_side.h"

#include <exception>
#include <thread>

#include "harness/backends/cores.h"

namespace assay {

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
      // It inherits the single core that a CPU backend pinned its maker to.  Where it is refused more it stays there:
      // slower, not wrong.
      run_on(process_cores());
      run(i);
    });
  if (!works.empty()) run(works.size() - 1);
  for (auto& thread : threads) thread.join();
  for (const auto& error : errors)
    if (error) std::rethrow_exception(error);
}

}  // namespace assay
