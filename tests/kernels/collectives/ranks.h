// Buffers of some ranks for a test: exact inputs, outputs poisoned with NaN, guards around them; in memory of the
// test's own or in a window.
#pragma once
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "kernels/collectives/collectives.h"

namespace assay {

class Ranks {
 public:
  /// Bytes of a window that Ranks of this problem take.
  static std::size_t window_bytes(const CollectiveProblem& problem) { return 2 * stride(problem); }

  explicit Ranks(const CollectiveProblem& problem, const CollectiveWindow* window = nullptr)
      : problem_(problem), window_(window) {
    for (int local = 0; local < problem.peers.local; ++local) {
      if (!window) own_.emplace_back(window_bytes(problem));
      memory_.push_back(window ? window->data(local) : own_.back().data());
      const int rank = problem.peers.first_local + local;
      inputs_.emplace_back(std::size_t(problem.bytes_of(problem.input_count())));
      for (std::int64_t i = 0; i < problem.input_count(); ++i)
        store_element(problem.dtype, inputs_.back().data(), i, collective_input(problem, rank, i, kSeed));
      expected_.emplace_back();
      for (std::int64_t i = 0; i < problem.output_count(); ++i)
        expected_.back().push_back(collective_expected(problem, rank, i, kSeed));
    }
    reset();
  }

  /// Inputs as they should be, outputs poisoned (in place: but for the input), guards whole.
  void reset() {
    for (int local = 0; local < problem_.peers.local; ++local) {
      std::memset(memory(local), int(kGuardByte), window_bytes(problem_));
      std::memset(base(local, true), 0xff, whole());
      if (!problem_.in_place) std::memset(base(local, false), 0xff, whole());
      std::memcpy(input(local), inputs_[std::size_t(local)].data(), inputs_[std::size_t(local)].size());
    }
  }

  CollectiveBuffers buffers() {
    CollectiveBuffers buffers;
    buffers.window = window_;
    for (int local = 0; local < problem_.peers.local; ++local) {
      buffers.output.push_back(output(local));
      buffers.input.push_back(input(local));
      buffers.streams.push_back(nullptr);
    }
    return buffers;
  }

  /// Empty where all is right, else the first thing that is wrong.
  std::string wrong() {
    for (int local = 0; local < problem_.peers.local; ++local) {
      const std::string rank = "rank " + std::to_string(problem_.peers.first_local + local);
      const std::vector<double>& expected = expected_[std::size_t(local)];
      for (std::size_t i = 0; i < expected.size(); ++i) {
        const double got = load_element(problem_.dtype, output(local), std::int64_t(i));
        if (!(got == expected[i]))
          return rank + " element " + std::to_string(i) + " is " + std::to_string(got) + ", not " +
                 std::to_string(expected[i]);
      }
      const std::vector<std::byte>& original = inputs_[std::size_t(local)];
      if (!problem_.in_place && std::memcmp(input(local), original.data(), original.size()) != 0)
        return rank + ": input was changed";
      if (!guards_whole(local)) return rank + ": guard overwritten";
    }
    return {};
  }

 private:
  static constexpr std::size_t kGuard = 64;
  static constexpr std::byte kGuardByte{0x5a};
  static constexpr std::uint64_t kSeed = 9;
  static std::size_t stride(const CollectiveProblem& problem) {
    return 2 * kGuard + (std::size_t(problem.bytes()) + 63) / 64 * 64;
  }

  std::size_t whole() const { return std::size_t(problem_.bytes()); }
  std::byte* memory(int local) { return memory_[std::size_t(local)]; }
  std::byte* base(int local, bool of_input) {
    return memory(local) + kGuard + (of_input && !problem_.in_place ? stride(problem_) : 0);
  }
  std::byte* placed(int local, bool of_input, bool is_part) {
    const int rank = problem_.peers.first_local + local;
    return base(local, of_input) + (problem_.in_place && is_part ? problem_.bytes_of(rank * problem_.part()) : 0);
  }
  std::byte* input(int local) { return placed(local, true, info(problem_.operation).input_is_part); }
  std::byte* output(int local) { return placed(local, false, info(problem_.operation).output_is_part); }
  bool guards_whole(int local) {
    const std::byte* begin = memory(local);
    for (std::size_t g = 0; g < kGuard; ++g)
      for (const std::size_t at :
           {g, kGuard + whole() + g, stride(problem_) + g, stride(problem_) + kGuard + whole() + g})
        if (!(problem_.in_place && at >= stride(problem_)) && begin[at] != kGuardByte) return false;
    return true;
  }

  CollectiveProblem problem_;
  const CollectiveWindow* window_;
  std::vector<std::vector<std::byte>> own_;
  std::vector<std::byte*> memory_;  // per local rank: output, then input, each with guards
  std::vector<std::vector<std::byte>> inputs_;
  std::vector<std::vector<double>> expected_;
};

/// A problem of that operation over `ranks` threads, S of `count` elements rounded down to equal parts.
inline CollectiveProblem thread_problem(Collective operation, int ranks, std::int64_t count, DType dtype,
                                        bool in_place = false) {
  CollectiveProblem problem;
  problem.operation = operation;
  problem.dtype = dtype;
  problem.in_place = in_place;
  problem.peers.ranks = problem.peers.local = ranks;
  problem.count = count;
  if (problem.has_parts()) problem.count -= count % ranks;
  return problem;
}

}  // namespace assay
