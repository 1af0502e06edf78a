// One thread's part of the operations that work element by element.
#pragma once
#include <cstdint>

#include "kernels/layer/layer.h"

namespace assay::cpu {

/// `count` elements from the pointers on.  `stream`: outputs go past the caches; they begin on kVectorBytes.
struct ElementwisePart {
  DType dtype = DType::f32;
  std::int64_t count = 0;
  bool stream = false;
  const void* in[3] = {};
  void* out[2] = {};
};

void swiglu_forward(const ElementwisePart&);   // in: gate, up; out: y
void swiglu_backward(const ElementwisePart&);  // in: gate, up, dy; out: d_gate, d_up
void gelu_forward(const ElementwisePart&);     // in: x; out: y
void gelu_backward(const ElementwisePart&);    // in: x, dy; out: dx
void residual_add(const ElementwisePart&);     // in: a, b; out: a + b

}  // namespace assay::cpu
