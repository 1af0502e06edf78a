// The fp32 micro-kernels, compiled by Highway for every instruction set and chosen at run time.
#include "kernels/common/cpu/tile.h"

#include <algorithm>
#include <cstring>
#include <utility>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/common/cpu/tile_f32.cpp"
#include "kernels/common/cpu/highway_targets.h"
// clang-format off: foreach_target.h must come first
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace assay::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#include "kernels/common/cpu/tile-inl.h"

struct F32 {
  using D = hn::CappedTag<float, 16>;
  using Vec = hn::Vec<D>;
  using Operand = Vec;
  static constexpr int kLanes = static_cast<int>(hn::MaxLanes(D()));
  static constexpr int kVectors = kLanes == 1 ? 4 : 2;  // packing wants a multiple of 4 columns

  static Operand load(const std::uint32_t* units) {
    return hn::BitCast(D(), hn::LoadU(hn::RebindToUnsigned<D>(), units));
  }
  static Operand broadcast(const std::uint32_t* unit) {
    float value;
    std::memcpy(&value, unit, sizeof value);
    return hn::Set(D(), value);
  }
  static Vec multiply_add(Operand a, Operand b, Vec sum) { return hn::MulAdd(a, b, sum); }
  static Vec zero() { return hn::Zero(D()); }
  static Vec splat(float value) { return hn::Set(D(), value); }
  static Vec add(Vec x, Vec y) { return hn::Add(x, y); }
  static Vec fused_multiply_add(Vec x, Vec y, Vec z) { return hn::MulAdd(x, y, z); }
  static Vec load_c(const float* c) { return hn::LoadU(D(), c); }
  static void store_c(float* c, Vec value) { hn::StoreU(value, D(), c); }
  /// Halfway cases to even, as float_to_bf16: adding 0x7fff carries into the kept half, and 1 more where that is odd.
  static void store_bf16(std::uint16_t* to, Vec value) {
    const hn::RebindToUnsigned<D> units;
    const auto bits = hn::BitCast(units, value);
    const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(units, 1));
    const auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(odd, hn::Set(units, 0x7fff))));
    const auto quiet_nan = hn::Or(hn::ShiftRight<16>(bits), hn::Set(units, 0x40));
    const auto is_nan = hn::MaskFromVec(hn::BitCast(units, hn::VecFromMask(D(), hn::IsNaN(value))));
    alignas(64) std::uint32_t halves[kLanes];
    hn::Store(hn::IfThenElse(is_nan, quiet_nan, rounded), units, halves);
    for (int i = 0; i < kLanes; ++i) to[i] = static_cast<std::uint16_t>(halves[i]);
  }
};

// As many rows as the registers hold sums of, beside one row of b and a broadcast.
constexpr int kRows = F32::kLanes == 16        ? 14  // AVX-512: 32 registers
                      : HWY_TARGET == HWY_NEON ? 12  // 32 registers
                                               : 6;  // AVX2, SSE4: 16 registers

const TileSet& f32_tile_set() {
  static const TileSet tiles = tile_set<F32>(hwy::TargetName(HWY_TARGET), 1, std::make_integer_sequence<int, kRows>());
  return tiles;
}

}  // namespace HWY_NAMESPACE
}  // namespace assay::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace assay::cpu {
HWY_EXPORT(f32_tile_set);

const TileSet& f32_tiles() { return HWY_DYNAMIC_DISPATCH(f32_tile_set)(); }
}  // namespace assay::cpu
#endif
