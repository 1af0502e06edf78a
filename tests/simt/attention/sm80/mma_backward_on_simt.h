// mma_sm80's backward pass on the functional GPU, through the launch plans of its launcher, with workspaces full of
// NaN.
#pragma once
#include "kernels/attention/sm80/mma_backward.h"
#include "tests/simt/attention/gradients_on_simt.h"

namespace assay::mma_sm80_backward_simt {

/// Values as wide as keys, but 128 at 192.
AttentionProblem problem(DType, std::int64_t head_dim, std::int64_t heads, std::int64_t kv_heads, std::int64_t seq_q,
                         std::int64_t seq_kv, bool causal, bool deterministic);

/// Fails where a kernel has bank conflicts.  Random also runs blocks in a random order and checks global memory.
test::Gradients run_backward(const AttentionProblem&, const test::GradientInputs&, simt::Async, std::uint64_t seed = 1);

/// Fails where a gradient is further from the reference than it allows.
void expect_right(const AttentionProblem&, const test::GradientInputs&, simt::Async = simt::Async::Lazy);

}  // namespace assay::mma_sm80_backward_simt
