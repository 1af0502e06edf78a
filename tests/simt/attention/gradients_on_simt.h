// Attention's backward pass on the functional GPU: inputs on its heap, gradients full of NaN.
#pragma once
#include "tests/kernels/attention/gradients.h"
#include "tests/simt/simt.h"

namespace assay {

/// One problem's arrays on a heap of their own.  A kernel's workspaces come from `heap`, poisoned too.
class GradientsOnSimt {
 public:
  GradientsOnSimt(const AttentionProblem&, const test::GradientInputs&);

  simt::DeviceHeap& heap() { return heap_; }
  const AttentionBuffers& buffers() const { return buffers_; }
  /// dq, dk and dv are NaN again.
  void poison();
  test::Gradients download() const;

 private:
  AttentionProblem problem_;
  simt::DeviceHeap heap_;
  AttentionBuffers buffers_;
};

/// Races, fences, bounds and uninitialised reads are checked; Random also shuffles the order of warps.
simt::Options gradient_options(simt::DeviceHeap&, simt::Async, std::uint64_t seed = 1);

}  // namespace assay
