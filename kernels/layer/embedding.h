// The contract of the token embedding.  Row-major, packed.
//
//   pass      computes                                  reads                                    writes
//   forward   y[t, :]       = w[ids[t], :]              ids [tokens], w [vocab, dim]             y  [tokens, dim]
//   backward  dw[ids[t], :] += dy[t, :] for all t       ids, dy [tokens, dim], dw                dw [vocab, dim] fp32
//
// w, y and dy are in the problem's type, dw is fp32 and accumulated into, as weight gradients are (gemm.h): a row that
// no token names is neither read nor written, and stays as it was.
//
// The order of the sums is part of the contract: for each row ((dw + dy[t1]) + dy[t2]) + ..., t1 < t2 < ..., every sum
// rounded to fp32.  So the result has the same bits on every device, for every number of threads, every time.
// (PyTorch's embedding backward adds with atomics, in any order, unless asked not to.)
//
// An id outside 0 .. vocab - 1: CPU kernels throw std::out_of_range before they write anything; on a GPU, where a
// kernel cannot refuse, forward fills that token's row with NaN and backward leaves the token out.
//
// Bytes that must move, with e the type's size and d the number of distinct ids:
//   forward   4 tokens + dim e (d + tokens)          backward  4 tokens + dim (e tokens + 8 d)
// FLOP are not counted.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/layer/layer.h"

namespace assay {

struct EmbeddingProblem {
  LayerPass pass = LayerPass::forward;
  std::int64_t tokens = 1, vocab = 1, dim = 1;  // each at least 1; vocab below 2^31
  DType dtype = DType::f32;                     // of w, y and dy

  std::int64_t distinct = 0;  // different ids, which only bytes() looks at; 0: all differ

  /// That must move.
  double bytes() const {
    const double e = double(size_bytes(dtype)), t = double(tokens), width = double(dim);
    const double rows = double(distinct > 0 ? distinct : tokens);
    return 4 * t + width * (pass == LayerPass::forward ? e * (rows + t) : e * t + 8 * rows);
  }
};

/// On the device the kernel runs on; what the other pass uses may be null.
struct EmbeddingBuffers {
  const std::int32_t* ids = nullptr;  // [tokens]
  const void* w = nullptr;            // [vocab, dim]
  void* y = nullptr;                  // [tokens, dim]
  const void* dy = nullptr;           // [tokens, dim]
  float* dw = nullptr;                // [vocab, dim]
};

using EmbeddingOperation = Operation<EmbeddingBuffers>;
using EmbeddingKernel = Kernel<EmbeddingProblem, EmbeddingBuffers>;

/// Every embedding kernel of this build, ours first.  A kernel of both passes is one row.
const std::vector<EmbeddingKernel>& embedding_kernels();

/// Empty where every id is one of the vocabulary; else which token has which: for people.
std::string reason_ids_unfit(const EmbeddingProblem&, const std::int32_t* ids);

/// Row `row` of dw in fp64 from host arrays; `host.dw` is what was there before.  Forward needs none: it copies.
LayerRow embedding_reference_dw(const EmbeddingProblem&, const EmbeddingBuffers& host, std::int64_t row);

}  // namespace assay
