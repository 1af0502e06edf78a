// The highest fp32 multiply-add rate of a core.  Compiled once for every vector instruction set by Highway's
// foreach_target; the best one is chosen at run time.
//
// A core starts up to two FMA a cycle and each takes 4 or 5, so 10 independent accumulators keep it busy; there are a
// few more, since its scheduler is not perfect, and no more than fit in registers beside the factor.  That none is
// spilled is checked in the disassembly (tests/kernels/peak): a loop with stack accesses is a third as fast and looks
// right otherwise.
#include "kernels/peak/cpu_loops.h"

#include "kernels/common/cpu/highway_targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/peak/cpu_fma_f32.cpp"
// clang-format off: foreach_target.h must come first
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace assay::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<float>;

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_SSE2
constexpr int kChains = 12;  // of 16 registers
#else
constexpr int kChains = 20;  // of 32
#endif

// The sum goes through the multiplicand: an instruction set without FMA could else multiply once, before the loop.
void run_fma_f32(std::int64_t steps, float one, float* accumulator) {
  const Tag d;
  const auto factor = hn::Set(d, one);
  const std::size_t lanes = hn::Lanes(d);
  hn::Vec<Tag> sum[kChains];
#pragma GCC unroll 20
  for (int i = 0; i < kChains; ++i) sum[i] = hn::LoadU(d, accumulator + std::size_t(i) * lanes);
  for (std::int64_t step = 0; step < steps; ++step) {
#pragma GCC unroll 20
    for (int i = 0; i < kChains; ++i) sum[i] = hn::MulAdd(sum[i], factor, factor);
  }
#pragma GCC unroll 20
  for (int i = 0; i < kChains; ++i) hn::StoreU(sum[i], d, accumulator + std::size_t(i) * lanes);
}

ArithmeticLoop make_loop() { return {hwy::TargetName(HWY_TARGET), int(hn::Lanes(Tag())) * kChains, 1, run_fma_f32}; }

}  // namespace assay::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace assay {

HWY_EXPORT(make_loop);

ArithmeticLoop fma_f32_loop() { return HWY_DYNAMIC_DISPATCH(make_loop)(); }

}  // namespace assay
#endif
