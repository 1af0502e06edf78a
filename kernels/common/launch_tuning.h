// Which of several ways to do the same work is the fastest here: for libraries that propose more than one.
#pragma once
#include <cstddef>
#include <functional>
#include <string>

#include "kernels/common/stream.h"

namespace assay {

/// The fastest of some proposals, the first where none is worth leaving it for.
struct LaunchChoice {
  std::size_t index = 0;
  double gain = 0;  // of time over the first proposal, as a fraction
};

/// Times every proposal.  `launch(proposal, i)` enqueues its i-th launch, on buffer set i of those that rotate.  Each
/// proposal must have run once, so that its code is loaded.
LaunchChoice choose_fastest(std::size_t proposals,
                            const std::function<void(std::size_t proposal, std::size_t i)>& launch, Stream stream);

/// "; proposal 2 of 5 tried, 3.1 % less time than the first"
std::string describe_choice(const LaunchChoice&, std::size_t proposals);

}  // namespace assay
