// A GEMM's operands on the host: seeded, in the problem's types, with their scale factors.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "harness/core/case.h"
#include "kernels/gemm/gemm.h"

namespace assay {

/// Bytes of one buffer set; 0 for what the problem does not have.
struct GemmBytes {
  std::size_t a = 0, b = 0, d = 0;
  std::size_t a_block_scales = 0, b_block_scales = 0;
  std::size_t tensor_scale = 0;  // of each operand
};
GemmBytes gemm_bytes(const GemmProblem&);

struct GemmOperands {
  std::vector<std::byte> a, b, a_block_scales, b_block_scales;
  std::vector<std::byte> d;  // what it holds before the first launch; empty where a launch does not read it
  float a_tensor_scale = 1, b_tensor_scale = 1;

  GemmBuffers buffers() const;  // views of these arrays, as the reference takes them
};
GemmOperands seeded_operands(const GemmProblem&, Fill, std::uint64_t seed, int threads);

}  // namespace assay
