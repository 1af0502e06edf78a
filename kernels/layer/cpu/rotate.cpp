// Rotary position embedding on a CPU: one sweep, head after head.  A token's cosines and sines are first put into the
// order of the type's units, and stay in the first-level cache for all its heads: taken apart for every head, they cost
// bf16 as much as the rotation.  Compiled once for every vector instruction set by Highway's foreach_target; the best
// one is chosen at run time.
#include "kernels/layer/cpu/rotate.h"

#include <algorithm>
#include <cstring>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/layer/cpu/rotate.cpp"
#include "kernels/layer/cpu/targets-inl.h"

HWY_BEFORE_NAMESPACE();
namespace assay::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#include "kernels/layer/cpu/vector-inl.h"

// Columns of a half that are rotated for all heads before the next: those of heads of 512.  4 KiB of angles.
constexpr std::int64_t kColumns = 256;

/// Cosines and sines as pairs of vectors, in the places of the elements that they belong to.
struct Angles {
  alignas(64) float cos[kColumns], sin[kColumns];

  template <class T>
  void set_units(const float* from_cos, const float* from_sin, std::int64_t count) {
    for_units<T>(count, [&](const auto& at, std::int64_t i) {
      F32::store<false>(each(Pair(at.load_f32(from_cos, i)), plain), cos + i);
      F32::store<false>(each(Pair(at.load_f32(from_sin, i)), plain), sin + i);
    });
  }
  /// A NaN without the payload that store_quickly could carry into a number.
  static HWY_INLINE Vec plain(Vec x) {
    return hn::IfThenElse(hn::Eq(x, x), x, set(std::numeric_limits<float>::quiet_NaN()));
  }
};

/// `count` columns of the halves of all heads, x and y at a token's first.
template <class T, bool kForward, bool kStream>
HWY_INLINE void rotate_heads(const RopeProblem& p, const typename T::Element* x, typename T::Element* y,
                             const Angles& angles, std::int64_t count) {
  const std::int64_t half = p.head_dim / 2;
  for (std::int64_t head = 0; head < p.heads; ++head, x += p.head_dim, y += p.head_dim)
    for_units<T>(count, [&](const auto& at, std::int64_t i) {
      const Pair c = F32::load(angles.cos + i), s = F32::load(angles.sin + i);
      const Pair low = at.load(x, i), high = at.load(x, half + i);
      const Pair plus = each(high, s, [](Vec v, Vec w) { return hn::Mul(v, w); });
      const Pair cross = each(low, s, [](Vec v, Vec w) { return hn::Mul(v, w); });
      const auto fall = [](Vec v, Vec w, Vec z) { return hn::MulSub(v, w, z); };
      const auto rise = [](Vec v, Vec w, Vec z) { return hn::MulAdd(v, w, z); };
      at.template store_quickly<kStream>(kForward ? each(low, c, plus, fall) : each(low, c, plus, rise), y, i);
      at.template store_quickly<kStream>(kForward ? each(high, c, cross, rise) : each(high, c, cross, fall), y,
                                         half + i);
    });
}

template <class T, bool kForward, bool kStream>
void rotate_tokens(const RopeProblem& p, const RopeBuffers& b, std::int64_t begin, std::int64_t end) {
  using Element = typename T::Element;
  const auto* x = static_cast<const Element*>(kForward ? b.x : b.dy);
  auto* y = static_cast<Element*>(kForward ? b.y : b.dx);
  const std::int64_t width = p.heads * p.head_dim, half = p.head_dim / 2;
  Angles angles;
  for (std::int64_t t = begin; t < end; ++t) {
    const std::int64_t position = b.position_ids != nullptr ? b.position_ids[t] : t % p.positions;
    for (std::int64_t first = 0; first < half; first += kColumns) {
      const std::int64_t count = std::min(kColumns, half - first), from = position * half + first;
      angles.set_units<T>(b.cos + from, b.sin + from, count);
      rotate_heads<T, kForward, kStream>(p, x + t * width + first, y + t * width + first, angles, count);
    }
  }
  if (kStream) hwy::FlushStream();
}

template <class T>
void rotate_in(const RopeProblem& p, const RopeBuffers& b, bool stream, std::int64_t begin, std::int64_t end) {
  if (p.pass == LayerPass::forward)
    stream ? rotate_tokens<T, true, true>(p, b, begin, end) : rotate_tokens<T, true, false>(p, b, begin, end);
  else
    stream ? rotate_tokens<T, false, true>(p, b, begin, end) : rotate_tokens<T, false, false>(p, b, begin, end);
}

void rotate_part(const RopeProblem& p, const RopeBuffers& b, bool stream, std::int64_t begin, std::int64_t end) {
  p.dtype == DType::bf16 ? rotate_in<Bf16>(p, b, stream, begin, end) : rotate_in<F32>(p, b, stream, begin, end);
}

}  // namespace HWY_NAMESPACE
}  // namespace assay::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace assay::cpu {
HWY_EXPORT(rotate_part);

void rotate(const RopeProblem& p, const RopeBuffers& b, bool stream, std::int64_t begin, std::int64_t end) {
  HWY_DYNAMIC_DISPATCH(rotate_part)(p, b, stream, begin, end);
}

}  // namespace assay::cpu
#endif
