// Runs wgmma_fp8_sm90 on the functional GPU, by the launch plan of the real launcher.
#pragma once
#include <string>

#include "kernels/gemm/sm90/wgmma_fp8.h"
#include "tests/simt/gemm/problem_on_simt.h"

namespace assay {

/// An H200 but for the number of multiprocessors; few let small problems have several waves.
Target hopper(int multiprocessors = 4);

/// The same problem in another configuration is given as `config`.  Returns what is wrong, empty where nothing is;
/// throws simt::Error at a fault of the machine.
std::string run_wgmma_fp8_sm90(const simt::ptx::Module&, const GemmProblemOnSimt&, const std::string& config,
                               simt::Options, simt::Stats* stats = nullptr);

}  // namespace assay
