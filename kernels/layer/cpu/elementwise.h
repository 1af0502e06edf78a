// One thread's part of the operations that work element by element.
#pragma once
#include <cstdint>

#include "kernels/layer/layer.h"

namespace assay::cpu {

/// Rows of `count` elements from the pointers on, `stride` elements apart in each array.  `stream`: outputs go past the
/// caches; their rows begin on kVectorBytes.
struct ElementwisePart {
  template <class Pointer>
  struct Array {
    Pointer data = nullptr;
    std::int64_t stride = 0;
  };
  DType dtype = DType::f32;
  std::int64_t rows = 1, count = 0;
  bool stream = false;
  Array<const void*> in[3];
  Array<void*> out[2];
};

void swiglu_forward(const ElementwisePart&);   // in: gate, up; out: y
void swiglu_backward(const ElementwisePart&);  // in: gate, up, dy; out: d_gate, d_up
void gelu_forward(const ElementwisePart&);     // in: x; out: y
void gelu_backward(const ElementwisePart&);    // in: x, dy; out: dx
void residual_add(const ElementwisePart&);     // in: a, b; out: a + b

}  // namespace assay::cpu
