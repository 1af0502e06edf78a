// The contract of bringing tokens to their experts and back.  Row-major, packed:
//   x, dx, y, dy       [tokens, dim]       in the problem's type, in the tokens' order
//   rows, drows        [capacity, dim]     in the problem's type, in the experts' order
//   expert             [tokens, top_k]     int32, as router.h leaves it: the experts of a token all differ
//   weight, dweight    [tokens, top_k]     fp32
//   offsets            [experts + 1]       int32: expert e has rows offsets[e] .. offsets[e] + counts[e] - 1
//   counts             [experts]           int32; the `rows` of grouped_gemm.h
//   row_of             [tokens, top_k]     int32: where slot s of token t went
//   slot_of            [capacity]          int32: t top_k + s, or -1 in padding and behind offsets[experts]
//
//   pass                 computes
//   plan                 offsets, counts, row_of and slot_of from expert
//   permute              rows[row_of[t, s], :] = x[t, :]; zero in padding
//   unpermute            y[t, :] = sum_s weight[t, s] rows[row_of[t, s], :]
//   permute_backward     dx[t, :] = sum_s drows[row_of[t, s], :]
//   unpermute_backward   drows[row_of[t, s], :] = weight[t, s] dy[t, :]; zero in padding
//                        dweight[t, s] = sum_c dy[t, c] rows[row_of[t, s], c]
// Rows of one expert are in the order of their tokens.  Each expert starts at a multiple of `alignment` rows (1, or
// grouped_gemm.h's kGroupAlignment); the rows from its last token to the next expert are padding.  An expert without
// tokens takes no rows at all.  Rows from offsets[experts] on are neither read nor written.
//
// Sums over slots are fp32, s = 0, 1, ...: the first product, then fma(weight, row, sum) (permute_backward: sums),
// rounded to the type once: the same bits on every device.  dweight sums over dim in an order of the kernel's; it, too,
// is the same every time and for every number of threads.
//
// An expert outside 0 .. experts - 1: a CPU's plan throws std::out_of_range before it writes anything; on a GPU, where
// a kernel cannot refuse, that slot has row_of -1, and the other passes leave it out (its dweight is 0).
//
// Bytes that must move, with e the type's size, k = top_k, and without padding:
//   plan                 tokens k 12 + 8 experts
//   permute              tokens (dim e (1 + k) + 4 k)
//   unpermute            tokens (dim e (k + 1) + 8 k)
//   permute_backward     tokens (dim e (k + 1) + 4 k)
//   unpermute_backward   tokens (dim e (1 + 2 k) + 12 k)
// FLOP are not counted.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/layer/layer.h"

namespace assay {

enum class PermutePass : std::uint8_t { plan, permute, unpermute, permute_backward, unpermute_backward };

struct PermutePassName {
  PermutePass pass;
  const char* name;
};

inline constexpr PermutePassName kPermutePasses[] = {{PermutePass::plan, "plan"},
                                                     {PermutePass::permute, "permute"},
                                                     {PermutePass::unpermute, "unpermute"},
                                                     {PermutePass::permute_backward, "permute_backward"},
                                                     {PermutePass::unpermute_backward, "unpermute_backward"}};
constexpr const char* name(PermutePass p) { return kPermutePasses[static_cast<int>(p)].name; }
/// False where no pass has that name.
bool parse_permute_pass(std::string_view text, PermutePass& out);

struct PermuteProblem {
  PermutePass pass = PermutePass::permute;
  std::int64_t tokens = 1, experts = 1, top_k = 1, dim = 1;  // tokens top_k and capacity() below 2^31
  std::int64_t alignment = 1;
  DType dtype = DType::f32;  // f32 or bf16

  std::int64_t slots() const { return tokens * top_k; }
  /// Rows that any choice of experts fits in: as many experts as may have tokens waste all but one row of alignment.
  std::int64_t capacity() const { return slots() + (slots() < experts ? slots() : experts) * (alignment - 1); }
  double bytes() const {
    const double t = double(tokens), k = double(top_k), row = double(dim) * double(size_bytes(dtype));
    switch (pass) {
      case PermutePass::plan:
        return t * k * 12 + 8 * double(experts);
      case PermutePass::permute:
      case PermutePass::permute_backward:
        return t * (row * (1 + k) + 4 * k);
      case PermutePass::unpermute:
        return t * (row * (1 + k) + 8 * k);
      case PermutePass::unpermute_backward:
        return t * (row * (1 + 2 * k) + 12 * k);
    }
    return 0;
  }
};

/// On the device the kernel runs on; what a pass does not use may be null.
struct PermuteBuffers {
  const std::int32_t* expert = nullptr;  // plan
  // Written by plan, read by all others.
  std::int32_t* offsets = nullptr;
  std::int32_t* counts = nullptr;
  std::int32_t* row_of = nullptr;
  std::int32_t* slot_of = nullptr;
  const void* tokens = nullptr;   // x of permute, dy of unpermute_backward
  void* tokens_out = nullptr;     // y of unpermute, dx of permute_backward
  const void* rows = nullptr;     // rows of unpermute and unpermute_backward, drows of permute_backward
  void* rows_out = nullptr;       // rows of permute, drows of unpermute_backward
  const float* weight = nullptr;  // unpermute, unpermute_backward
  float* dweight = nullptr;       // unpermute_backward
};

using PermuteOperation = Operation<PermuteBuffers>;
using PermuteKernel = Kernel<PermuteProblem, PermuteBuffers>;

/// Every permute kernel of this build, ours first.  A kernel of several passes is one row.
const std::vector<PermuteKernel>& permute_kernels();

/// Empty where every expert exists; else which token has which: for people.
std::string reason_experts_unfit(const PermuteProblem&, const std::int32_t* expert);

struct PermutePlan {
  std::vector<std::int32_t> offsets, counts, row_of, slot_of;
};
PermutePlan permute_reference_plan(const PermuteProblem&, const std::int32_t* expert);

/// Row t of tokens_out (unpermute, permute_backward), in fp64 from host arrays.
LayerRow permute_reference_token(const PermuteProblem&, const PermuteBuffers& host, std::int64_t t);
/// Row `row` of rows_out (permute, unpermute_backward); zeros in padding.
LayerRow permute_reference_row(const PermuteProblem&, const PermuteBuffers& host, std::int64_t row);
LayerElement permute_reference_dweight(const PermuteProblem&, const PermuteBuffers& host, std::int64_t t,
                                       std::int64_t s);

}  // namespace assay
