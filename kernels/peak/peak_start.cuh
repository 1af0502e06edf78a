// Where accumulators start, as peak_start() of the contract says.  C++17.
#pragma once
#include "kernels/peak/peak.h"

namespace assay {

/// The starts of a thread's accumulators, of which there are fewer than kPeakStarts.
class PeakStarts {
 public:
  /// `first` is the thread's first accumulator.
  __device__ explicit PeakStarts(std::int64_t first) : first_(static_cast<unsigned>(first % kPeakStarts)) {}
  __device__ float operator[](unsigned i) const {
    constexpr auto kStarts = static_cast<unsigned>(kPeakStarts);
    return static_cast<float>(first_ + i < kStarts ? first_ + i : first_ + i - kStarts);
  }

 private:
  unsigned first_;
};

}  // namespace assay
