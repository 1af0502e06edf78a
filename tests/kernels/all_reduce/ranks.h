// Buffers of some ranks for a test: exact inputs, outputs poisoned with NaN, guards around them.
#pragma once
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "kernels/all_reduce/all_reduce.h"

namespace assay {

class Ranks {
 public:
  explicit Ranks(const AllReduceProblem& problem) : problem_(problem) {
    const std::size_t stride = 2 * kGuard + std::size_t(problem.bytes());
    for (int local = 0; local < problem.peers.local; ++local) {
      input_.emplace_back(stride);
      output_.emplace_back(stride);
    }
    for (std::int64_t i = 0; i < problem.count; ++i)
      expected_.push_back(all_reduce_expected(problem.peers.ranks, i, kSeed));
    for (int local = 0; local < problem.peers.local; ++local) {
      inputs_.emplace_back(std::size_t(problem.bytes()));
      for (std::int64_t i = 0; i < problem.count; ++i)
        store_element(problem.dtype, inputs_.back().data(), i,
                      all_reduce_input(problem.peers.first_local + local, problem.peers.ranks, i, kSeed));
    }
    reset();
  }

  /// Inputs as they should be, outputs poisoned (in place: the inputs), guards whole.
  void reset() {
    for (int local = 0; local < problem_.peers.local; ++local) {
      std::fill(input(local).begin(), input(local).end(), kGuardByte);
      std::fill(output(local).begin(), output(local).end(), kGuardByte);
      auto* target = (problem_.in_place ? output(local) : input(local)).data() + kGuard;
      std::memset(output(local).data() + kGuard, 0xff, std::size_t(problem_.bytes()));
      std::memcpy(target, inputs_[std::size_t(local)].data(), std::size_t(problem_.bytes()));
    }
  }

  AllReduceBuffers buffers() {
    AllReduceBuffers buffers;
    for (int local = 0; local < problem_.peers.local; ++local) {
      buffers.output.push_back(output(local).data() + kGuard);
      buffers.input.push_back((problem_.in_place ? output(local) : input(local)).data() + kGuard);
      buffers.streams.push_back(nullptr);
    }
    return buffers;
  }

  /// Empty where all is right, else the first thing that is wrong.
  std::string wrong() {
    for (int local = 0; local < problem_.peers.local; ++local) {
      const std::string rank = "rank " + std::to_string(problem_.peers.first_local + local);
      for (std::int64_t i = 0; i < problem_.count; ++i) {
        const double got = load_element(problem_.dtype, output(local).data() + kGuard, i);
        const double expected = expected_[std::size_t(i)];
        if (!(got == expected))
          return rank + " element " + std::to_string(i) + " is " + std::to_string(got) + ", not " +
                 std::to_string(expected);
      }
      const std::vector<std::uint8_t>& original = inputs_[std::size_t(local)];
      if (!problem_.in_place && std::memcmp(input(local).data() + kGuard, original.data(), original.size()) != 0)
        return rank + ": input was changed";
      for (const auto* memory : {&input(local), &output(local)})
        for (std::size_t g = 0; g < kGuard; ++g)
          if ((*memory)[g] != kGuardByte || (*memory)[memory->size() - 1 - g] != kGuardByte)
            return rank + ": guard overwritten";
    }
    return {};
  }

 private:
  using Memory = std::vector<std::uint8_t>;
  static constexpr std::size_t kGuard = 64;
  static constexpr std::uint8_t kGuardByte = 0x5a;
  static constexpr std::uint64_t kSeed = 9;
  Memory& input(int local) { return input_[std::size_t(local)]; }
  Memory& output(int local) { return output_[std::size_t(local)]; }

  AllReduceProblem problem_;
  std::vector<Memory> input_, output_;  // with guards, as the kernel gets them
  std::vector<Memory> inputs_;          // what `input_` starts as
  std::vector<double> expected_;
};

}  // namespace assay
