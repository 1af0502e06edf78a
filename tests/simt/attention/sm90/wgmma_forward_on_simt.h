// wgmma_sm90's forward pass on the functional GPU, by the launch plan of the real launcher: inputs, a run with poisoned
// outputs, comparison with the fp64 reference.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/attention/sm90/wgmma_forward.h"
#include "tests/simt/simt.h"

namespace assay {

/// An H200 with few multiprocessors: each then works on several query tiles, one after the other.
Target small_hopper(int multiprocessors);

/// Where every sequence has other lengths; the rest of the problem is as given.
AttentionProblem packed_problem(AttentionProblem, const std::vector<std::int64_t>& queries,
                                const std::vector<std::int64_t>& keys);

/// Host arrays in the problem's type, as raw bytes.
struct ForwardInputs {
  std::vector<unsigned char> q, k, v;
  float q_scale = 0.5f, k_scale = 2, v_scale = 0.375f;  // of 8-bit types
};
/// Standard normal times the given factors.
ForwardInputs forward_inputs(const AttentionProblem&, unsigned seed, double q_factor = 1, double k_factor = 1);

/// Of types that are scaled: the inputs' factors.
void upload_factors(const AttentionProblem&, const ForwardInputs&, simt::DeviceHeap&, AttentionBuffers&);

struct ForwardOutputs {
  std::vector<unsigned char> o;
  std::vector<float> lse;
  std::uint64_t bank_conflicts = 0;
};

/// Throws simt::Error at a fault of the machine.
ForwardOutputs run_forward(const simt::ptx::Module&, const AttentionProblem&, const ForwardInputs&, int multiprocessors,
                           simt::Options);

/// Races, fences, bounds and uninitialised reads are checked; Random also shuffles the order of warps.
simt::Options forward_options(simt::Async, std::uint64_t seed = 1);

/// Empty where every element of o and lse is within the error that the reference allows.
std::string forward_mismatch(const AttentionProblem&, const ForwardInputs&, const ForwardOutputs&);

std::string describe_forward(const AttentionProblem&);

/// Small problems which together reach every part of the kernel.
struct ForwardCase {
  const char* name;
  AttentionProblem problem;
  int multiprocessors;
};
const std::vector<ForwardCase>& forward_cases();
/// The same of 8-bit inputs.
const std::vector<ForwardCase>& forward_e4m3_cases();

}  // namespace assay
