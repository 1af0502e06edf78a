// Packing with the compiler's generic vectors, compiled by Highway for every instruction set and chosen at run time:
// whole cache lines are loaded and turned in registers.
#include "kernels/common/cpu/pack.h"

#include <algorithm>
#include <cstring>
#include <utility>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/common/cpu/pack.cpp"
#include "kernels/common/cpu/highway_targets.h"
// clang-format off: foreach_target.h must come first
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace assay::cpu {
namespace HWY_NAMESPACE {

#include "kernels/common/cpu/pack-inl.h"
#include "kernels/common/cpu/pack_amx-inl.h"

void pack_a_here(PackFormat format, const PackSource& source, int rows, const PackedPanels& to) {
  if (format == PackFormat::bf16_amx) return pack_amx_a(source, rows, to);
  pack<PanelA>(format, source, rows, to);
}

void pack_b_here(PackFormat format, const PackSource& source, int columns, const PackedPanels& to) {
  if (format == PackFormat::bf16_amx) return pack_amx_b(source, columns, to);
  pack<PanelB>(format, source, columns, to);
}

}  // namespace HWY_NAMESPACE
}  // namespace assay::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace assay::cpu {
HWY_EXPORT(pack_a_here);
HWY_EXPORT(pack_b_here);

void pack_a(PackFormat format, const PackSource& source, int rows, const PackedPanels& to) {
  HWY_DYNAMIC_DISPATCH(pack_a_here)(format, source, rows, to);
}

void pack_b(PackFormat format, const PackSource& source, int columns, const PackedPanels& to) {
  HWY_DYNAMIC_DISPATCH(pack_b_here)(format, source, columns, to);
}

PackedTiles best_tiles(DType dtype) {
  if (dtype == DType::f32) return {&f32_tiles(), PackFormat::f32};
  if (const TileSet* tiles = amx_tiles()) return {tiles, PackFormat::bf16_amx};
  if (const TileSet* tiles = bf16_tiles()) return {tiles, PackFormat::bf16_pairs};
  return {&f32_tiles(), PackFormat::bf16_widened};
}

}  // namespace assay::cpu
#endif
