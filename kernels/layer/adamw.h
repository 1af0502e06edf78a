// The contract of the AdamW update of `elements` parameters that lie one behind the other (a tensor, or a whole flat
// buffer of them): Adam (Kingma and Ba, arXiv 1412.6980) with decoupled weight decay (Loshchilov and Hutter, arXiv
// 1711.05101, algorithm 2, in PyTorch's form).
//
//   parameters  master           param                 gradient
//   f32         the parameters   null                  f32
//   bf16        fp32 copy        bf16, written only    bf16 or f32 (the sum of micro-batches)
//
// Step t = 1, 2, ... at learning rate lr, with c the gradient scale:
//   g = c gradient      m = beta1 m + (1 - beta1) g      v = beta2 v + (1 - beta2) g^2
//   master = master - lr (m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon) + weight_decay master)
//   param = master rounded to nearest even
// The gradient scale is one fp32 number on the device, where grad_norm.h leaves its clip factor: clipping costs no pass
// of its own, and no wait of the host.  What changes from step to step lies on the device too (AdamWStep), so that a
// recorded launch can be replayed.
//
// Every rounding is part of the contract; in fp32, with correctly rounded division and square root,
//   g = c gradient
//   m = fma(beta1, m, (1 - beta1) g)
//   v = fma(beta2, v, ((1 - beta2) g) g)
//   update = (rate m) / fma(sqrt(v), root, epsilon)
//   master = master - fma(decay, master, update)
// where 1 - beta is taken in fp64 of the fp32 beta, then rounded.  So the result has the same bits on every device, for
// every number of threads, every time.  (But not on a CPU without fused multiply-add, which rounds twice where it says
// fma; nor where numbers become subnormal and one side flushes them to zero, as the CPU backend's threads do.)
//
// NaN goes wherever it comes from: a NaN scale (a norm that is not finite) makes all of m, v and master NaN.  Look at
// the norm before the step.
//
// Bytes that must move, per element: f32: 28 (four read, three written); bf16: 26 + the gradient's size.
#pragma once
#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/layer/layer.h"

namespace assay {

struct AdamWProblem {
  std::int64_t elements = 1;  // at least 1
  DType dtype = DType::f32;   // of the parameters: f32 or bf16
  DType gradient_dtype = DType::f32;
  // Llama's (arXiv 2302.13971, section 2.3)
  float beta1 = 0.9f, beta2 = 0.95f, epsilon = 1e-8f;

  bool has_master() const { return dtype != DType::f32; }  // `param` is another array than `master`
  double bytes() const { return double(elements) * (24 + double(size_bytes(gradient_dtype)) + (has_master() ? 2 : 0)); }
};

/// What changes from step to step.
struct AdamWStep {
  float rate = 0;   // lr / (1 - beta1^t)
  float root = 1;   // 1 / sqrt(1 - beta2^t)
  float decay = 0;  // lr weight_decay; 0 for biases and norms
};

/// Of step `t` (the first is 1), in fp64, each rounded once.
inline AdamWStep adamw_step(const AdamWProblem& p, std::int64_t t, double learning_rate, double weight_decay) {
  const double power1 = std::pow(double(p.beta1), double(t)), power2 = std::pow(double(p.beta2), double(t));
  return {float(learning_rate / (1 - power1)), float(1 / std::sqrt(1 - power2)), float(learning_rate * weight_decay)};
}

/// On the device the kernel runs on.
struct AdamWBuffers {
  float* master = nullptr;         // [elements]
  void* param = nullptr;           // [elements] bf16; null where the parameters are fp32
  const void* gradient = nullptr;  // [elements]
  float* m = nullptr;              // [elements]
  float* v = nullptr;              // [elements], never negative
  const AdamWStep* step = nullptr;
  const float* gradient_scale = nullptr;  // one number; null: 1
};

using AdamWOperation = Operation<AdamWBuffers>;
using AdamWKernel = Kernel<AdamWProblem, AdamWBuffers>;

/// Every AdamW kernel of this build, ours first.
const std::vector<AdamWKernel>& adamw_kernels();

/// One element after a step in fp64, from what it was before; the errors are those of one step.
struct AdamWElement {
  LayerElement m, v, master;
};
/// From host arrays as they were before the step.  `param` is master's rounding, bit for bit.
AdamWElement adamw_reference(const AdamWProblem&, const AdamWBuffers& host, std::int64_t i);

}  // namespace assay
