// SwiGLU, GELU and the skip connection's addition on a CPU: one sweep over memory, in the vectors of
// cpu/vector-inl.h.  Compiled once for every vector instruction set by Highway's foreach_target; the best one is chosen
// at run time.  Bound by memory, if exp is not: of f32 a core of Zen 4 is as fast as its copy (41 GB/s); of bf16, whose
// exponential and division are only as good as its results need them, 10 cycles go into 16 elements of SwiGLU and 15
// into those of its gradients (14 and 23 as fp32 has them), of which a core's memory takes 10 and 16.
#include "kernels/layer/cpu/elementwise.h"

#include <cstring>
#include <limits>

#include "kernels/layer/cpu/parts.h"
#include "kernels/layer/gelu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/layer/cpu/elementwise.cpp"
#include "kernels/layer/cpu/targets-inl.h"

HWY_BEFORE_NAMESPACE();
namespace assay::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#include "kernels/layer/cpu/vector-inl.h"

/// The arrays of one row.
struct Row {
  const void* in[3];
  void* out[2];
};

struct SwigluForward {
  template <class T, bool kStream, class Access>
  static HWY_INLINE void unit(const Row& p, const Access& at, std::int64_t i) {
    const auto gate = at.load(p.in[0], i);
    const auto silu = each(gate, [](Vec g) { return over_one_and_power<T>(g, hn::Mul(g, set(kMinusLog2E))); });
    const auto y = each(silu, at.load(p.in[1], i), [](Vec v, Vec up) { return hn::Mul(v, up); });
    at.template store_quickly<kStream>(y, p.out[0], i);
  }
};

struct SwigluBackward {
  template <class T, bool kStream, class Access>
  static HWY_INLINE void unit(const Row& p, const Access& at, std::int64_t i) {
    const auto gate = at.load(p.in[0], i);
    const auto s = each(gate, sigmoid<T>);
    const auto silu = each(gate, s, [](Vec g, Vec v) { return hn::Mul(g, v); });
    const auto slope = each(s, silu, [](Vec v, Vec l) { return hn::MulAdd(l, hn::Sub(set(1.0f), v), v); });
    const auto dy = at.load(p.in[2], i);
    const auto product = [](Vec a, Vec b) { return hn::Mul(a, b); };
    const auto d_up = each(dy, silu, product);
    const auto d_gate = each(each(dy, at.load(p.in[1], i), product), slope, product);
    at.template store_quickly<kStream>(d_gate, p.out[0], i);
    at.template store_quickly<kStream>(d_up, p.out[1], i);
  }
};

/// -log2(e) z of z = kGeluLinear (x + kGeluCubic x^3).
HWY_INLINE Vec gelu_power(Vec x) {
  constexpr double kLinear = -1.4426950408889634 * kGeluLinear;
  return hn::Mul(x, hn::MulAdd(hn::Mul(x, x), set(float(kLinear * kGeluCubic)), set(float(kLinear))));
}

struct GeluForward {
  template <class T, bool kStream, class Access>
  static HWY_INLINE void unit(const Row& p, const Access& at, std::int64_t i) {
    const auto y = each(at.load(p.in[0], i), [](Vec x) { return over_one_and_power<T>(x, gelu_power(x)); });
    at.template store_quickly<kStream>(y, p.out[0], i);
  }
};

struct GeluBackward {
  template <class T, bool kStream, class Access>
  static HWY_INLINE void unit(const Row& p, const Access& at, std::int64_t i) {
    const auto slopes = each(at.load(p.in[0], i), [](Vec x) {
      const Vec s = reciprocal_of_power<T>(gelu_power(x));
      const Vec slope = hn::MulAdd(hn::Mul(x, x), set(float(3 * kGeluLinear * kGeluCubic)), set(float(kGeluLinear)));
      // s (1 - s) first: far out it is 0, where x times the slope may be infinite.
      const Vec bend = hn::Mul(hn::Mul(hn::Mul(s, hn::Sub(set(1.0f), s)), x), slope);
      return hn::Add(s, bend);
    });
    const auto dx = each(slopes, at.load(p.in[1], i), [](Vec slope, Vec dy) { return hn::Mul(dy, slope); });
    at.template store_quickly<kStream>(dx, p.out[0], i);
  }
};

struct Addition {
  template <class T, bool kStream, class Access>
  static HWY_INLINE void unit(const Row& p, const Access& at, std::int64_t i) {
    const auto sum = each(at.load(p.in[0], i), at.load(p.in[1], i), [](Vec a, Vec b) { return hn::Add(a, b); });
    at.template store<kStream>(sum, p.out[0], i);
  }
};

// Bytes at the end of a row over which those at the next one's beginning are asked for.  Where rows do not follow each
// other in memory, as SwiGLU's fused inputs, the processor's own prefetching begins anew with each, which costs 0.8 us
// a row; with this 0.4 (bf16; 8 KiB and 16 KiB are no better).
constexpr std::int64_t kNextRowBytes = 4096;

template <class Operation, class T, bool kStream>
void sweep(const ElementwisePart& p) {
  constexpr auto kNextRow = kNextRowBytes / static_cast<std::int64_t>(sizeof(typename T::Element));
  static_assert(kNextRow % (2 * kUnit) == 0);
  for (std::int64_t r = 0; r < p.rows; ++r) {
    Row row, next;
    for (int i = 0; i < 3; ++i) {
      row.in[i] = advanced(p.dtype, p.in[i].data, r * p.in[i].stride);
      next.in[i] = advanced(p.dtype, p.in[i].data, (r + 1) * p.in[i].stride);
    }
    for (int i = 0; i < 2; ++i) row.out[i] = advanced(p.dtype, p.out[i].data, r * p.out[i].stride);
    const std::int64_t last =
        r + 1 < p.rows && p.count > kNextRow ? (p.count - kNextRow) / (2 * kUnit) * (2 * kUnit) : p.count;
    for_two_units<T>(last, [&row](const auto& at, std::int64_t i)
                               ASSAY_INLINED { Operation::template unit<T, kStream>(row, at, i); });
    for_two_units<T>(p.count - last, [&](const auto& at, std::int64_t i) ASSAY_INLINED {
      for (int in = 0; in < 3 && p.in[in].data != nullptr; ++in) {
        ask_ahead<T>(next.in[in], i);
        ask_ahead<T>(next.in[in], i + kUnit);
      }
      Operation::template unit<T, kStream>(row, at, last + i);
    });
  }
  if (kStream) hwy::FlushStream();  // once: it waits until all of it is in memory
}

template <class Operation>
void sweep(const ElementwisePart& p) {
  if (p.dtype == DType::bf16)
    p.stream ? sweep<Operation, Bf16, true>(p) : sweep<Operation, Bf16, false>(p);
  else
    p.stream ? sweep<Operation, F32, true>(p) : sweep<Operation, F32, false>(p);
}

void swiglu_forward_part(const ElementwisePart& p) { sweep<SwigluForward>(p); }
void swiglu_backward_part(const ElementwisePart& p) { sweep<SwigluBackward>(p); }
void gelu_forward_part(const ElementwisePart& p) { sweep<GeluForward>(p); }
void gelu_backward_part(const ElementwisePart& p) { sweep<GeluBackward>(p); }
void residual_add_part(const ElementwisePart& p) { sweep<Addition>(p); }

}  // namespace HWY_NAMESPACE
}  // namespace assay::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace assay::cpu {
HWY_EXPORT(swiglu_forward_part);
HWY_EXPORT(swiglu_backward_part);
HWY_EXPORT(gelu_forward_part);
HWY_EXPORT(gelu_backward_part);
HWY_EXPORT(residual_add_part);

void swiglu_forward(const ElementwisePart& p) { HWY_DYNAMIC_DISPATCH(swiglu_forward_part)(p); }
void swiglu_backward(const ElementwisePart& p) { HWY_DYNAMIC_DISPATCH(swiglu_backward_part)(p); }
void gelu_forward(const ElementwisePart& p) { HWY_DYNAMIC_DISPATCH(gelu_forward_part)(p); }
void gelu_backward(const ElementwisePart& p) { HWY_DYNAMIC_DISPATCH(gelu_backward_part)(p); }
void residual_add(const ElementwisePart& p) { HWY_DYNAMIC_DISPATCH(residual_add_part)(p); }

}  // namespace assay::cpu
#endif
