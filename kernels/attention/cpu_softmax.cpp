#include "kernels/attention/cpu_softmax.h"

#include <cmath>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention/cpu_softmax.cpp"
#include "kernels/common/cpu/highway_targets.h"
// clang-format off: foreach_target.h must come first
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace assay::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using F = hn::CappedTag<float, 16>;
using U = hn::RebindToUnsigned<F>;
using Vec = hn::Vec<F>;

/// 2^x for x <= 0 with a relative error of 1.2 * 2^-24; 0 below the normal numbers.  Highway's own Exp serves positive
/// arguments too, at 1.6 times the cost.
HWY_INLINE Vec exp2(Vec x) {
  const F f;
  const U u;
  // Adding 1.5 * 2^23 leaves round(x) in the lowest mantissa bits; subtracting it again gives round(x) as a float.
  const Vec rounder = hn::Set(f, 0x1.8p23f);
  const Vec shifted = hn::Add(x, rounder);
  const Vec fraction = hn::Sub(x, hn::Sub(shifted, rounder));  // in [-1/2, 1/2]
  // 1 + f q(f), with q of degree 5 through (2^f - 1) / f at its Chebyshev nodes: 5e-9 from 2^f
  Vec p = hn::Set(f, 0.00015453163f);
  p = hn::MulAdd(p, fraction, hn::Set(f, 0.0013390863f));
  p = hn::MulAdd(p, fraction, hn::Set(f, 0.009618083f));
  p = hn::MulAdd(p, fraction, hn::Set(f, 0.05550357f));
  p = hn::MulAdd(p, fraction, hn::Set(f, 0.2402265f));
  p = hn::MulAdd(p, fraction, hn::Set(f, 0.6931472f));
  p = hn::MulAdd(p, fraction, hn::Set(f, 1.0f));
  // The low bits move into the exponent: 2^round(x), times p, so that a NaN stays one.
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(u, shifted));
  const Vec power = hn::BitCast(f, hn::Add(exponent, hn::BitCast(u, hn::Set(f, 1.0f))));
  return hn::IfThenZeroElse(hn::Lt(x, hn::Set(f, -126.0f)), hn::Mul(p, power));
}

/// bf16 nearest to the non-negative `x`, ties to even.
HWY_INLINE void store_bf16(Vec x, std::uint16_t* to) {
  const U u;
  const auto bits = hn::BitCast(u, x);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(u, 1));
  const auto rounded = hn::ShiftRight<16>(hn::Add(hn::Add(bits, hn::Set(u, 0x7fff)), odd));
  const hn::Rebind<std::uint16_t, F> halves;
  hn::StoreU(hn::DemoteTo(halves, hn::BitCast(hn::RebindToSigned<F>(), rounded)), halves, to);
}

/// Weights never run ahead of the scores still to be read: in bf16 they take half the room.
template <bool kBf16>
HWY_INLINE void store(Vec weight, float* row, std::int64_t j) {
  if constexpr (kBf16)
    store_bf16(weight, reinterpret_cast<std::uint16_t*>(row) + j);
  else
    hn::StoreU(weight, F(), row + j);
}

/// Vectors per step: independent chains for the maximum and the exponentials to overlap in.
constexpr std::int64_t kUnroll = 4;

float max_score(const float* row, std::int64_t keys) {
  const F f;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(f));
  const Vec lowest = hn::Set(f, -std::numeric_limits<float>::infinity());
  Vec max[kUnroll] = {lowest, lowest, lowest, lowest};
  std::int64_t j = 0;
  for (; j + kUnroll * lanes <= keys; j += kUnroll * lanes)
    for (std::int64_t i = 0; i < kUnroll; ++i) max[i] = hn::Max(max[i], hn::LoadU(f, row + j + i * lanes));
  for (; j < keys; j += lanes) {
    const auto seen = hn::FirstN(f, static_cast<std::size_t>(keys - j));
    max[0] = hn::Max(max[0], hn::IfThenElse(seen, hn::LoadU(f, row + j), lowest));
  }
  return hn::GetLane(hn::MaxOfLanes(f, hn::Max(hn::Max(max[0], max[1]), hn::Max(max[2], max[3]))));
}

/// Scores to weights; returns their sum.
template <bool kBf16>
float weigh(float* row, std::int64_t keys, std::int64_t padded_keys, float scale, float max) {
  const F f;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(f));
  const Vec v_scale = hn::Set(f, scale), v_max = hn::Set(f, max);
  Vec sum[kUnroll] = {hn::Zero(f), hn::Zero(f), hn::Zero(f), hn::Zero(f)};
  std::int64_t j = 0;
  for (; j + kUnroll * lanes <= keys; j += kUnroll * lanes)
    for (std::int64_t i = 0; i < kUnroll; ++i) {
      const Vec weight = exp2(hn::MulSub(hn::LoadU(f, row + j + i * lanes), v_scale, v_max));
      store<kBf16>(weight, row, j + i * lanes);
      sum[i] = hn::Add(sum[i], weight);
    }
  for (; j < padded_keys; j += lanes) {
    const auto seen = hn::FirstN(f, static_cast<std::size_t>(keys > j ? keys - j : 0));
    const Vec weight = hn::IfThenElseZero(seen, exp2(hn::MulSub(hn::LoadU(f, row + j), v_scale, v_max)));
    store<kBf16>(weight, row, j);
    sum[0] = hn::Add(sum[0], weight);
  }
  return hn::GetLane(hn::SumOfLanes(f, hn::Add(hn::Add(sum[0], sum[1]), hn::Add(sum[2], sum[3]))));
}

template <bool kBf16>
void softmax_rows(const SoftmaxBlock& block) {
  for (std::int64_t r = 0; r < block.rows; ++r) {
    float* row = block.scores + r * block.stride;
    const std::int64_t keys = block.keys[r];
    if (keys <= 0) {  // nothing seen: no maximum to subtract
      weigh<kBf16>(row, 0, block.padded_keys, 0, 0);
      block.rescale[r] = 1;
      continue;
    }
    const float score = max_score(row, keys) * block.scale;
    const float max = score < block.max[r] ? block.max[r] : score;
    block.rescale[r] = std::exp2(block.max[r] - max);  // 0 at the first key: 2^-infinity
    block.sum[r] = block.sum[r] * block.rescale[r] + weigh<kBf16>(row, keys, block.padded_keys, block.scale, max);
    block.max[r] = max;
  }
}

void softmax(const SoftmaxBlock& block) { block.bf16 ? softmax_rows<true>(block) : softmax_rows<false>(block); }

}  // namespace HWY_NAMESPACE
}  // namespace assay::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace assay::cpu {
HWY_EXPORT(softmax);

void softmax_block(const SoftmaxBlock& block) { HWY_DYNAMIC_DISPATCH(softmax)(block); }
}  // namespace assay::cpu
#endif
