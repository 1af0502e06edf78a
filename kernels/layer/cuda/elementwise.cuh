// Operations that work element by element, for any GPU from sm_80 on: SwiGLU and GELU, forward and backward, and the
// skip connection's addition.
//
// Algorithm   A block owns a tile of every array; a thread asks for all its 16-byte vectors of all inputs before it
//             uses the first.  Blocks come and go (no persistent loop): the hardware gives the next tile to whichever
//             multiprocessor is free, so that none of them, near or far from memory, is waited for.
// Tile        256 threads x 8, 4 or 2 vectors of each of 1, 2 or 3 inputs: 16 to 32 KB an input.
// In flight   96 to 128 bytes a thread; at least 1024 threads a multiprocessor (64 registers), so 96 KB and more,
//             where Little's law asks for 18 (H100), 25 (H200) and 38 KB (B200): cuda/norm_forward.cuh.
// Arithmetic  SwiGLU forward moves 6 bytes an element in bf16: on a B200 (8 TB/s, 148 multiprocessors at 1.9 GHz) 4.7
//             elements a cycle, 10 instructions each of the 128 issued, 2 of the 16 special functions (ex2, rcp).
// Shapes      Any number of elements; rows apart (SwiGLU's halves) if row, stride and arrays are multiples of 16
//             bytes. Otherwise elementwise_any, an element at a time.
// Hints       Inputs past L1 (read once); outputs as usual, since the next kernel reads them.
// Status      Proven in tests/simt; not yet run on a GPU.
// Source      Written for this project.
#pragma once
#include "kernels/layer/cuda/elements.cuh"
#include "kernels/layer/cuda/elementwise.h"

namespace assay::layer_cuda {

__device__ __forceinline__ float sigmoid(float z) {
  return ptx::reciprocal_approximate(1.F + ptx::exp2_approximate(z * -1.4426950408889634F));
}

/// Which arrays may have rows apart: bit i, in the order of inputs and outputs.
struct SwigluForward {
  static constexpr int kInputs = 2, kOutputs = 1;  // gate, up; y
  static constexpr unsigned kApartIn = 0b11, kApartOut = 0;
  static __device__ __forceinline__ void apply(const float (&in)[2], float (&out)[1]) {
    out[0] = in[0] * sigmoid(in[0]) * in[1];
  }
};

struct SwigluBackward {
  static constexpr int kInputs = 3, kOutputs = 2;  // gate, up, dy; d_gate, d_up
  static constexpr unsigned kApartIn = 0b11, kApartOut = 0b11;
  static __device__ __forceinline__ void apply(const float (&in)[3], float (&out)[2]) {
    const float s = sigmoid(in[0]);
    out[0] = in[2] * in[1] * s * fmaf(in[0], 1.F - s, 1.F);
    out[1] = in[2] * in[0] * s;
  }
};

/// z = kGeluLinear (x + kGeluCubic x^3); infinite where x^3 is.
__device__ __forceinline__ float gelu_argument(float x) {
  return float(kGeluLinear) * fmaf(float(kGeluCubic) * x * x, x, x);
}

struct GeluForward {
  static constexpr int kInputs = 1, kOutputs = 1;  // x; y
  static constexpr unsigned kApartIn = 0, kApartOut = 0;
  static __device__ __forceinline__ void apply(const float (&in)[1], float (&out)[1]) {
    out[0] = in[0] * sigmoid(gelu_argument(in[0]));
  }
};

struct GeluBackward {
  static constexpr int kInputs = 2, kOutputs = 1;  // x, dy; dx
  static constexpr unsigned kApartIn = 0, kApartOut = 0;
  static __device__ __forceinline__ void apply(const float (&in)[2], float (&out)[1]) {
    const float x = in[0], s = sigmoid(gelu_argument(x));
    const float slope = float(kGeluLinear) * fmaf(3.F * float(kGeluCubic) * x, x, 1.F);
    // Hazard: x slope may be infinite where s (1 - s) is 0; multiplied from the left it never comes about.
    out[0] = in[1] * fmaf(x * s * (1.F - s), slope, s);
  }
};

struct ResidualAdd {
  static constexpr int kInputs = 2, kOutputs = 1;  // a, b; out
  static constexpr unsigned kApartIn = 0, kApartOut = 0;
  static __device__ __forceinline__ void apply(const float (&in)[2], float (&out)[1]) { out[0] = in[0] + in[1]; }
};

template <class Element, class Operation>
__device__ __forceinline__ void apply_to_one(const ElementwiseParams& p, std::int64_t i, std::int64_t apart) {
  using Storage = typename Element::Storage;
  float in[Operation::kInputs], out[Operation::kOutputs];
#pragma unroll
  for (int k = 0; k < Operation::kInputs; ++k)
    in[k] = Element::load(static_cast<const Storage*>(p.in[k])[Operation::kApartIn >> k & 1 ? apart : i]);
  Operation::apply(in, out);
#pragma unroll
  for (int k = 0; k < Operation::kOutputs; ++k)
    static_cast<Storage*>(p.out[k])[Operation::kApartOut >> k & 1 ? apart : i] = Element::store(out[k]);
}

/// Applies the operation to a vector of each input, and stores the results at vector `i`, or `apart`.
template <class Element, class Operation>
__device__ __forceinline__ void apply_to_vectors(const ElementwiseParams& p, const uint4 (&vector)[Operation::kInputs],
                                                 std::int64_t i, std::int64_t apart) {
  float in[Operation::kInputs][Element::kPerVector], out[Operation::kOutputs][Element::kPerVector];
#pragma unroll
  for (int k = 0; k < Operation::kInputs; ++k) Element::unpack(vector[k], in[k]);
#pragma unroll
  for (int e = 0; e < Element::kPerVector; ++e) {
    float of_element[Operation::kInputs], result[Operation::kOutputs];
#pragma unroll
    for (int k = 0; k < Operation::kInputs; ++k) of_element[k] = in[k][e];
    Operation::apply(of_element, result);
#pragma unroll
    for (int k = 0; k < Operation::kOutputs; ++k) out[k][e] = result[k];
  }
#pragma unroll
  for (int k = 0; k < Operation::kOutputs; ++k)
    static_cast<uint4*>(p.out[k])[Operation::kApartOut >> k & 1 ? apart : i] = Element::pack(out[k]);
}

/// kApart: rows of some arrays are apart.  Whole vectors, and (never with rows apart) the elements behind the last.
template <class Element, class Operation, bool kApart>
__global__ void __launch_bounds__(kElementwiseThreads, 4) elementwise(ElementwiseParams p) {
  constexpr int kUnroll = elementwise_unroll(Operation::kInputs);
  const std::int64_t vectors = p.elements / Element::kPerVector;
  const std::int64_t first = std::int64_t(blockIdx.x) * (kElementwiseThreads * kUnroll) + threadIdx.x;
  uint4 vector[kUnroll][Operation::kInputs];
  std::int64_t apart[kUnroll];
#pragma unroll
  for (int u = 0; u < kUnroll; ++u) {
    const std::int64_t i = first + u * kElementwiseThreads;
    apart[u] = i;
    if (i >= vectors) continue;
    if constexpr (kApart) apart[u] += p.vectors_of_row.quotient(std::uint32_t(i)) * p.extra_vectors_a_row;
#pragma unroll
    for (int k = 0; k < Operation::kInputs; ++k)
      vector[u][k] = ptx::load_once(static_cast<const uint4*>(p.in[k]) + (Operation::kApartIn >> k & 1 ? apart[u] : i));
  }
#pragma unroll
  for (int u = 0; u < kUnroll; ++u) {
    const std::int64_t i = first + u * kElementwiseThreads;
    if (i < vectors) apply_to_vectors<Element, Operation>(p, vector[u], i, apart[u]);
  }
  const std::int64_t rest = vectors * Element::kPerVector + threadIdx.x;
  if (blockIdx.x == 0 && rest < p.elements) apply_to_one<Element, Operation>(p, rest, rest);
}

template <class Element, class Operation>
__global__ void __launch_bounds__(kElementwiseThreads) elementwise_any(ElementwiseParams p) {
  const std::int64_t i = std::int64_t(blockIdx.x) * kElementwiseThreads + threadIdx.x;
  if (i >= p.elements) return;
  apply_to_one<Element, Operation>(p, i, i + i / p.columns * (p.stride - p.columns));
}

}  // namespace assay::layer_cuda
