// The contract of rotary position embedding, forward and backward.
//   x, y, dy, dx  [tokens, heads, head_dim]  in the problem's type      cos, sin  [positions, head_dim / 2]  fp32
//   position_ids  [tokens], or null: token t stands at position t % positions
//
// Forward (Su et al. 2021, arXiv 2104.09864, eq. 34), element i of a head paired with i + head_dim / 2, as GPT-NeoX and
// the Llama checkpoints on Hugging Face have it; pairs of neighbours, as the paper has them, are the same under a fixed
// permutation of the rows of the projections that make q and k.  With p the token's position, for i < head_dim / 2:
//   y_i                = x_i cos_pi - x_(i + head_dim/2) sin_pi
//   y_(i + head_dim/2) = x_(i + head_dim/2) cos_pi + x_i sin_pi
// cos and sin are of the angle p theta^(-2i / head_dim): fill_rope_tables().
//
// Backward turns the other way: dx = the same of dy with -sin.
//
// A launch takes one tensor: q and k, whose numbers of heads differ, are two.  In place is allowed (y = x, dx = dy).
#pragma once
#include "kernels/layer/layer.h"

namespace assay {

struct RopeProblem {
  std::int64_t tokens = 1, heads = 1, head_dim = 2;  // head_dim is even
  std::int64_t positions = 1;                        // rows of the tables; without position_ids the sequences' length
  DType dtype = DType::f32;
  LayerPass pass = LayerPass::forward;

  std::int64_t elements() const { return tokens * heads * head_dim; }
  std::int64_t table_elements() const { return positions * (head_dim / 2); }
  /// That must move: each table once, however often positions return.  Without position_ids.
  double bytes() const {
    const double positions_read = double(positions < tokens ? positions : tokens);
    return 2.0 * double(size_bytes(dtype)) * double(elements()) + 4.0 * positions_read * double(head_dim);
  }
};

/// On the device the kernel runs on.  Forward reads x and writes y, backward reads dy and writes dx.
struct RopeBuffers {
  const void* x = nullptr;
  const float* cos = nullptr;
  const float* sin = nullptr;
  const std::int32_t* position_ids = nullptr;
  void* y = nullptr;
  const void* dy = nullptr;
  void* dx = nullptr;
};

using RopeOperation = Operation<RopeBuffers>;
using RopeKernel = Kernel<RopeProblem, RopeBuffers>;

/// Every RoPE kernel of this build, ours first.
const std::vector<RopeKernel>& rope_kernels();

/// Into host arrays of table_elements() each, from fp64.  theta: 10000 in the paper and Llama 2, 500000 in Llama 3.
void fill_rope_tables(const RopeProblem&, double theta, float* cos, float* sin);

/// y (backward: dx) of one head of a token, from the tables in `host`.  All inputs are host arrays.  Allowed errors are
/// derived in reference.cpp.
LayerRow rope_reference(const RopeProblem&, const RopeBuffers& host, std::int64_t token, std::int64_t head);

}  // namespace assay
