// tcgen05_sm100's forward pass on the functional GPU, by the launch plan of the real launcher.
#pragma once
#include <vector>

#include "kernels/attention/sm100/tcgen05_forward.h"
#include "tests/simt/attention/sm90/wgmma_forward_on_simt.h"

namespace assay {

/// A B200 with few multiprocessors: each then works on several query tiles, one after the other.
Target small_blackwell(int multiprocessors);

/// As run_forward(): poisoned outputs; throws simt::Error at a fault of the machine.
ForwardOutputs run_sm100_forward(const simt::ptx::Module&, const AttentionProblem&, const ForwardInputs&,
                                 int multiprocessors, simt::Options);

/// Scores that rise by about `rise` (natural units) per 128 keys in the order of work, right to left.
ForwardInputs rising_inputs(const AttentionProblem&, double rise);

/// Small problems which together reach every part of the kernel.
struct Sm100ForwardCase {
  const char* name;
  AttentionProblem problem;
  int multiprocessors;
  double rise = 0;  // 0: normal inputs, else rising ones
  ForwardInputs inputs(const AttentionProblem& p) const {
    return rise == 0 ? forward_inputs(p, 1) : rising_inputs(p, rise);
  }
};
const std::vector<Sm100ForwardCase>& sm100_forward_cases();
/// The same of 8-bit inputs.
const std::vector<Sm100ForwardCase>& sm100_forward_e4m3_cases();

}  // namespace assay
