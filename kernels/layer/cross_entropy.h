// The contract of the fused softmax cross-entropy over a large vocabulary.  Row-major, packed:
//   logits   [tokens, vocab]   in the problem's type; with `gradient`, dlogits takes its place
//   labels   [tokens]          int32
//   loss     [tokens]          fp32
//   lse      [tokens]          fp32, natural logarithm
//
// With x the logits of token t and y its label:
//   lse_t       = ln sum_j exp(x_j)
//   loss_t      = lse_t - x_y + z lse_t^2
//   dlogits_tj  = s (p_j (1 + 2 z lse_t) - [j = y]),   p_j = exp(x_j - lse_t)
// z: the z-loss that keeps lse near 0 (PaLM, arXiv 2204.02311, section 5: 1e-4), 0 without; it is three operations a
// row.  s: one fp32 number on the device, 1 over the labels counted where the mean loss is minimised.
//
// Rows know nothing of each other, so whoever has no room for the logits of all tokens makes them chunk by chunk: one
// call for each chunk, with the s of the whole batch, gives the bits that one call for all would.  That is how
// [tokens, vocab] of 128 Ki tokens and 128256 words need not exist.  The mean is a sum over `loss` in the caller's
// order.
//
// A label equal to ignore_index: loss and lse are 0, the row of dlogits is 0, and its logits are not looked at.
// Any other label outside 0 .. vocab - 1: CPU kernels throw std::out_of_range before they write anything; on a GPU,
// where a kernel cannot refuse, loss, lse and the row of dlogits are NaN.
// Logits of -infinity are words that cannot occur (p = 0); as a label's they make the loss infinite.  NaN or +infinity
// anywhere in a row, or -infinity everywhere, make its loss, lse and all its dlogits NaN.
//
// Arithmetic is fp32; dlogits are rounded to the type once.  The same bits every time and for every number of threads;
// not across devices or instruction sets, whose sums over the vocabulary have other orders.
//
// Bytes that must move, with e the type's size: tokens (vocab e (2 with gradient, else 1) + 12).  A row is read once
// only by kernels that keep it on chip, 513 KB in fp32 at 128256 words.  FLOP are not counted.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/layer/layer.h"

namespace assay {

struct CrossEntropyProblem {
  std::int64_t tokens = 1, vocab = 1;  // each at least 1; vocab below 2^31
  DType dtype = DType::f32;            // of logits and dlogits
  bool gradient = true;
  std::int32_t ignore_index = -100;  // PyTorch's
  float z_loss = 0;

  double bytes() const {
    return double(tokens) * (double(vocab) * double(size_bytes(dtype)) * (gradient ? 2 : 1) + 12);
  }
};

struct CrossEntropyBuffers {
  void* logits = nullptr;                // [tokens, vocab], becomes dlogits
  const std::int32_t* labels = nullptr;  // [tokens]
  float* loss = nullptr;                 // [tokens]
  float* lse = nullptr;                  // [tokens]
  const float* scale = nullptr;          // one number, on the device like the logits; null: 1
};

using CrossEntropyOperation = Operation<CrossEntropyBuffers>;
using CrossEntropyKernel = Kernel<CrossEntropyProblem, CrossEntropyBuffers>;

/// Every cross-entropy kernel of this build, ours first.
const std::vector<CrossEntropyKernel>& cross_entropy_kernels();

/// Empty where every label is ignore_index or a word; else which token has which: for people.
std::string reason_labels_unfit(const CrossEntropyProblem&, const std::int32_t* labels);

/// One token's exact results (fp64, two passes).
struct CrossEntropyRow {
  LayerElement loss, lse;
  LayerRow dlogits;  // [vocab]; empty without gradient
};
/// From host arrays: `host.logits` are the logits, loss and lse are not read.
CrossEntropyRow cross_entropy_reference(const CrossEntropyProblem&, const CrossEntropyBuffers& host, std::int64_t t);

}  // namespace assay
