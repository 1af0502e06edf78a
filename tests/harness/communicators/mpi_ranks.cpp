// What each process of a test under mpirun does; run_mpi.sh looks at how it ends.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string_view>

#include <fmt/format.h>

#include "harness/communicators/communicator.h"
#include "harness/core/error.h"
#include "kernels/collectives/collectives.h"
#include "tests/kernels/collectives/ranks.h"

namespace assay {
namespace {

void expect(bool condition, const std::string& what) {
  if (!condition) throw std::runtime_error("expected " + what);
}

void check_functions(Communicator& communicator) {
  const int rank = communicator.rank(), size = communicator.size();
  expect(communicator.maximum(rank == size / 2 ? 1e300 : -rank) == 1e300, "the largest value everywhere");
  expect(communicator.maximum(-5 - rank) == -5, "the largest of negative values");
  expect(communicator.broadcast(rank == 0 ? 0.1 : -1.0) == 0.1, "rank 0's number");
  const std::string text = std::string("of rank 0, with a \0 in it", 25) + std::string(100000, 'x');
  expect(communicator.broadcast(rank == 0 ? text : "mine") == text, "rank 0's text");
  expect(communicator.broadcast(rank == 0 ? std::string() : "mine").empty(), "rank 0's empty text");
  // Different lengths, rank 1's empty.
  const auto text_of = [](int r) {
    return r == 1 ? std::string() : std::string(std::size_t(r) * 50000 + 1, char('a' + r));
  };
  const auto all = communicator.gather(text_of(rank));
  expect(int(all.size()) == size, "a text of every rank");
  for (int r = 0; r < size; ++r) expect(all[std::size_t(r)] == text_of(r), "the texts in rank order");
  const auto names = communicator.gather(communicator.group_name());
  for (const auto& name : names) expect(!name.empty() && name == names[0], "one group name");
  expect(communicator.one_host(), "one host");
  expect(!communicator.description().empty(), "MPI's version");
  expect(communicator.is_root() == (rank == 0), "rank 0 to be the root");
  for (int i = 0; i < 10; ++i) communicator.barrier();
}

CollectiveProblem problem_of(const Communicator& communicator, std::int64_t count, DType dtype, bool in_place) {
  CollectiveProblem problem;
  problem.count = count;
  problem.dtype = dtype;
  problem.in_place = in_place;
  problem.peers.ranks = communicator.size();
  problem.peers.first_local = communicator.rank();
  problem.peers.local = 1;
  problem.peers.mpi = true;
  problem.peers.one_host = communicator.one_host();
  problem.peers.shared_name = communicator.group_name();
  return problem;
}

void check_problem(const CollectiveKernel& kernel, const CollectiveProblem& problem) {
  std::unique_ptr<CollectiveWindow> window;
  if (problem.buffers == BufferKind::window)
    window = kernel.make_window(problem, {Target{}}, Ranks::window_bytes(problem));
  Ranks data(problem, window.get());
  const CollectiveBuffers buffers = data.buffers();
  const auto operation = kernel.prepare(problem, Target{}, {buffers}, nullptr);
  for (int launch = 0; launch < 3; ++launch) {
    data.reset();
    operation->launch(buffers, nullptr);
    const std::string wrong = data.wrong();
    expect(wrong.empty(), fmt::format("{}, {}, {}, {} elements, launch {}: {}", kernel.name, name(problem.operation),
                                      name(problem.dtype), problem.count, launch, wrong));
  }
}

/// How many problems the kernel took.
int check_kernel(const CollectiveKernel& kernel, const Communicator& communicator) {
  int taken = 0;
  for (const CollectiveInfo& kind : kCollectives)
    for (const DType dtype : kernel.dtypes)
      for (const std::int64_t count : {1, 3, 1009, 4097, 131072, 1000003})
        for (const bool in_place : {false, true}) {
          CollectiveProblem problem = problem_of(communicator, count, dtype, in_place);
          problem.operation = kind.operation;
          problem.root = communicator.size() - 1;
          if (kernel.make_window) problem.buffers = BufferKind::window;
          if (problem.has_parts()) problem.count -= count % communicator.size();
          if (problem.count == 0 || (in_place && !kind.has_in_place)) continue;
          if (count == 1000003 && dtype != DType::f32) continue;
          if (!kernel.supports(problem, Target{}).ok()) continue;
          check_problem(kernel, problem);
          ++taken;
        }
  return taken;
}

void check_kernels(const Communicator& communicator) {
  int checked = 0;
  for (const CollectiveKernel& kernel : collective_kernels()) {
    if (kernel.device != Device::cpu) continue;
    // 6 operations, 4 of them in place too, at 16 sizes and types, less those with parts at one or three elements.
    expect(check_kernel(kernel, communicator) > 100, kernel.name + " to take every operation");
    ++checked;
  }
  expect(checked == 3, "shm_ring, shm_window and MPI's own in this build");
}

// Rank 1 dies in the middle of an operation that the others are in too.
[[noreturn]] void be_killed(const Communicator& communicator) {
  const CollectiveProblem problem = problem_of(communicator, 1 << 20, DType::f32, false);
  Ranks data(problem);
  const auto operation = collective_kernels().front().prepare(problem, Target{}, {data.buffers()}, nullptr);
  for (int launch = 0;; ++launch) {
    operation->launch(data.buffers(), nullptr);
    if (communicator.rank() == 1 && launch == 5) kill(getpid(), SIGKILL);
  }
}

int run(std::string_view part) {
  const std::atomic<bool> never{false};
  const auto communicator = make_communicator(kDefaultDeadline, never);
  fmt::print("pid {}\n", getpid());
  std::fflush(stdout);
  communicator->barrier();
  if (part == "throw" && communicator->rank() == 1) throw std::runtime_error("planted failure");
  const int result = run_together(*communicator, [&] {
    if (part == "functions") check_functions(*communicator);
    if (part == "kernels") check_kernels(*communicator);
    if (part == "kill") be_killed(*communicator);
    if (part == "fail" && communicator->rank() == 1) throw MeasureError("planted failure");
    communicator->barrier();
    return 0;
  });
  fmt::print("rank {}: ok\n", communicator->rank());
  return result;
}

}  // namespace
}  // namespace assay

int main(int count, char** arguments) {
  try {
    return assay::run(count > 1 ? arguments[1] : "");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 4;
  }
}
