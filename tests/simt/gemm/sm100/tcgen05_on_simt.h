// Runs tcgen05_sm100 on the functional GPU, by the launch plan of the real launcher, and compares with fp64.
#pragma once
#include <string>

#include "kernels/gemm/sm100/tcgen05.h"
#include "tests/simt/simt.h"

namespace assay {

struct Tcgen05Run {
  GemmProblem problem;
  int multiprocessors = 4;  // few: two pairs of CTAs, so that each has several tiles
};

std::string describe(const Tcgen05Run&);

struct Tcgen05Outcome {
  std::string wrong;  // empty where every element is within the allowed error
  simt::Stats stats;
};

/// Throws simt::Error at a fault of the machine.
Tcgen05Outcome run_tcgen05(const simt::ptx::Module&, const Tcgen05Run&, simt::Options);

/// "e4m3 mx nt+ 264x520x136 256x128": dtype, scaling, layout (with + results are added into d), extents and, where not
/// left to the kernel, the configuration.  Throws std::invalid_argument.
Tcgen05Run parse_tcgen05_run(const std::string& text);

}  // namespace assay
