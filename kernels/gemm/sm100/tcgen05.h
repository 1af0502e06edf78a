// The host side of tcgen05.cuh: which problems it takes and how each is launched.  cuda.h's types only; C++17.
#pragma once
#include <stdexcept>
#include <string>
#include <type_traits>

#include "kernels/common/launch_plan.h"
#include "kernels/common/tensor_map.h"
#include "kernels/gemm/cuda/kernel_params.h"
#include "kernels/gemm/gemm_scaling.h"
#include "kernels/gemm/sm100/tcgen05_config.h"
#include "kernels/gemm/sm100/tcgen05_params.h"
#include "kernels/gemm/sm100/tcgen05_shape.h"

namespace assay {

// The compiled kernels: kind of operands, tile, result.  X is applied to each.
#define ASSAY_TCGEN05_TILES(X, kind, output) \
  X(kind, Pair256x256, output) X(kind, Pair256x128, output) X(kind, Single128x128, output)
#define ASSAY_TCGEN05_DENSE(X)                 \
  ASSAY_TCGEN05_TILES(X, Tcgen05F16, ToBf16)   \
  ASSAY_TCGEN05_TILES(X, Tcgen05F16, ToF16)    \
  ASSAY_TCGEN05_TILES(X, Tcgen05F16, AddToF32) \
  ASSAY_TCGEN05_TILES(X, Tcgen05F8, ToBf16) ASSAY_TCGEN05_TILES(X, Tcgen05F8, AddToF32)
#define ASSAY_TCGEN05_SCALED(X)                \
  ASSAY_TCGEN05_TILES(X, Tcgen05Mx8, ToBf16)   \
  ASSAY_TCGEN05_TILES(X, Tcgen05Mx8, AddToF32) \
  ASSAY_TCGEN05_TILES(X, Tcgen05Nv4, ToBf16) ASSAY_TCGEN05_TILES(X, Tcgen05Nv4, AddToF32)

/// As the functional GPU and the launcher's table know it.
#define ASSAY_TCGEN05_NAME(kind, tile, output) "tcgen05_sm100<assay::" #kind ", assay::" #tile ", assay::" #output ">"

struct Tcgen05Instance {
  const char* kernel;
  Tcgen05Kind kind;
  int tile_n, ctas;
  DType output;  // f32: added into
  int element_bits, tile_k, box_k, rows_b, scale_tiles, scale_row_tiles;
  unsigned shared_bytes;
};

template <class Output>
constexpr DType tcgen05_output() {
  return std::is_same<Output, ToBf16>::value  ? DType::bf16
         : std::is_same<Output, ToF16>::value ? DType::f16
                                              : DType::f32;
}

template <class Kind, class Tile, class Output>
constexpr Tcgen05Instance tcgen05_instance(const char* kernel) {
  using Shape = Tcgen05Shape<Kind, Tile>;
  static_assert(sizeof(Tcgen05Shared<Shape>) <= kTcgen05SharedLimit);
  return {kernel,
          Kind::kKind,
          Shape::kTileN,
          Shape::kCtas,
          tcgen05_output<Output>(),
          Kind::kElementBits,
          Shape::kTileK,
          Shape::kBoxK,
          Shape::kRowsB,
          Kind::kScaleTiles,
          Shape::kScaleRowTiles,
          sizeof(Tcgen05Shared<Shape>)};
}

#define ASSAY_TCGEN05_ROW(kind, tile, output) \
  tcgen05_instance<kind, tile, output>(ASSAY_TCGEN05_NAME(kind, tile, output)),
inline constexpr Tcgen05Instance kTcgen05Instances[] = {ASSAY_TCGEN05_DENSE(ASSAY_TCGEN05_ROW)
                                                            ASSAY_TCGEN05_SCALED(ASSAY_TCGEN05_ROW)};
#undef ASSAY_TCGEN05_ROW

inline Tcgen05Kind tcgen05_kind(const GemmProblem& p) {
  if (p.scaling == GemmScaling::mx) return Tcgen05Kind::mxf8f6f4;
  if (p.scaling == GemmScaling::nv) return Tcgen05Kind::mxf4nvf4;
  return info(p.dtype).bits == 16 ? Tcgen05Kind::f16 : Tcgen05Kind::f8f6f4;
}

/// Empty where the dtype is one of the kernel's and comes with a scaling that the hardware knows for it.
inline std::string reason_scaling_unfit(const GemmProblem& p) {
  const int bits = info(p.dtype).bits;
  const bool fits =
      bits == 16  ? p.scaling == GemmScaling::none
      : bits == 8 ? p.scaling == GemmScaling::none || p.scaling == GemmScaling::tensor || p.scaling == GemmScaling::mx
                  : p.scaling == GemmScaling::nv;
  if (!fits) return std::string("does not scale ") + name(p.dtype) + " by '" + name(p.scaling) + "'";
  if (has_block_scales(p.scaling) && p.layout != GemmLayout::tn)
    return "block-scaled operands are k-major: layout tn alone";
  return {};
}

inline Support supports_tcgen05_sm100(const GemmProblem& p, const Target& target) {
  if (target.compute_capability != 100 && target.compute_capability != 103)
    return Support::no("needs compute capability 10.0 or 10.3 (tcgen05)");
  if (target.shared_bytes_per_block < kTcgen05SharedLimit)
    return Support::no("needs " + std::to_string(kTcgen05SharedLimit) + " bytes of shared memory per block");
  if (const std::string reason = reason_scaling_unfit(p); !reason.empty()) return Support::no(reason);
  const auto row_fits = [](std::int64_t elements, DType t) { return elements * info(t).bits % 128 == 0; };
  if (!row_fits(leading_dimension_a(p), p.dtype) || !row_fits(leading_dimension_b(p), p.dtype) ||
      !row_fits(p.n, p.output()))
    return Support::no("rows of a, b and d must be multiples of 16 bytes (bulk copies)");
  if (const std::string reason = reason_extents_unfit(p, 128, 128); !reason.empty()) return Support::no(reason);
  try {
    choose_tcgen05_sm100(p, target);
  } catch (const std::runtime_error& e) {
    return Support::no(e.what());
  }
  return Support::yes();
}

/// An operand of `rows` (m or n) by k, of which a CTA's stage holds `stage_rows`.
struct Tcgen05OperandPlan {
  CUtensorMap map;
  Tcgen05OperandParams params;
};
inline Tcgen05OperandPlan plan_tcgen05_operand(const Tcgen05Instance& i, TensorMapEncoder encode, const void* base,
                                               DType dtype, bool k_major, std::int64_t rows, std::int64_t k,
                                               int stage_rows) {
  const auto type = dtype == DType::e2m1 ? CU_TENSOR_MAP_DATA_TYPE_UINT8 : tensor_map_type(dtype);
  Tcgen05OperandPlan plan{};
  plan.params.descriptor = tcgen05_tile(k_major, i.tile_k);
  plan.params.k_step = tcgen05_k_step(k_major, i.element_bits);
  if (k_major) {
    plan.map = make_tensor_map(encode, type, base,
                               {{k * i.box_k / i.tile_k, 0, i.box_k}, {rows, k * i.element_bits / 8, stage_rows}});
  } else {
    plan.params.panel_elements = 128 * 8 / i.element_bits;
    plan.params.panel_bytes = i.tile_k * 128;
    plan.params.panels = stage_rows / plan.params.panel_elements;
    plan.map = make_tensor_map(encode, type, base,
                               {{rows, 0, plan.params.panel_elements}, {k, rows * i.element_bits / 8, i.tile_k}});
  }
  return plan;
}

/// The scale factors of `rows` rows, see gemm_scaling.h, as words: boxes of `row_tiles` by the stage's tiles along k.
inline CUtensorMap map_tcgen05_scales(const Tcgen05Instance& i, TensorMapEncoder encode, const void* base,
                                      const GemmProblem& p, std::int64_t rows, int row_tiles) {
  const std::int64_t tiles_along_k = (scale_blocks(p.scaling, p.k) + 3) / 4;
  return make_tensor_map(
      encode, CU_TENSOR_MAP_DATA_TYPE_UINT32, base,
      {{128, 0, 128}, {tiles_along_k, 512, i.scale_tiles}, {(rows + 127) / 128, tiles_along_k * 512, row_tiles}},
      CU_TENSOR_MAP_SWIZZLE_NONE);
}

inline const Tcgen05Instance& find_tcgen05_instance(const GemmProblem& p, const Tcgen05Tile& tile) {
  for (const Tcgen05Instance& i : kTcgen05Instances)
    if (i.kind == tcgen05_kind(p) && i.tile_n == tile.n && i.ctas == tile.ctas && i.output == p.output()) return i;
  throw std::runtime_error(std::string("tcgen05_sm100 has no kernel for ") + name(p.dtype));
}

inline LaunchPlan<Tcgen05Sm100Params> plan_tcgen05_sm100(const GemmProblem& p, const GemmBuffers& buffers,
                                                         const Target& target, TensorMapEncoder encode) {
  const Tcgen05Choice choice = choose_tcgen05_sm100(p, target);
  const Tcgen05Instance& i = find_tcgen05_instance(p, choice.tile);
  LaunchPlan<Tcgen05Sm100Params> plan;
  plan.kernel = i.kernel;
  Tcgen05Sm100Params& params = plan.params;
  const auto a = plan_tcgen05_operand(i, encode, buffers.a, p.a_dtype(), p.a_is_k_major(), p.m, p.k, 128);
  const auto b = plan_tcgen05_operand(i, encode, buffers.b, p.b_dtype(), p.b_is_k_major(), p.n, p.k, i.rows_b);
  params.a = a.map, params.a_operand = a.params;
  params.b = b.map, params.b_operand = b.params;
  const int output_bytes = static_cast<int>(size_bytes(p.output()));
  params.d = make_tensor_map(encode, tensor_map_type(p.output()), buffers.d,
                             {{p.n, 0, 128 / output_bytes}, {p.m, p.n * output_bytes, 32}});
  if (i.scale_tiles > 0) {
    params.a_scales = map_tcgen05_scales(i, encode, buffers.a_block_scales, p, p.m, 1);
    params.b_scales = map_tcgen05_scales(i, encode, buffers.b_block_scales, p, p.n, i.scale_row_tiles);
  }
  if (has_tensor_scale(p.scaling)) {
    params.a_tensor_scale = buffers.a_tensor_scale;
    params.b_tensor_scale = buffers.b_tensor_scale;
  }
  params.instruction = tcgen05_instruction(i.kind, {p.a_dtype(), p.a_is_k_major()}, {p.b_dtype(), p.b_is_k_major()},
                                           choice.tile.m, choice.tile.n);
  params.m = static_cast<int>(p.m);
  params.n = static_cast<int>(p.n);
  params.k_tiles = choice.k_tiles;
  params.tile_rows = static_cast<int>((p.m + choice.tile.m - 1) / choice.tile.m);
  params.tile_columns = static_cast<int>((p.n + choice.tile.n - 1) / choice.tile.n);
  params.group = raster_group(choice.tile.m, choice.tile.n, choice.concurrent);
  params.splits = choice.splits;
  params.k_tiles_per_split = choice.k_tiles_per_split;
  params.items = static_cast<int>(choice.items);
  plan.grid.x = static_cast<unsigned>(choice.concurrent * choice.tile.ctas);
  plan.block.x = kTcgen05Threads;
  plan.cluster.x = static_cast<unsigned>(choice.tile.ctas);
  plan.shared_bytes = i.shared_bytes;
  return plan;
}

}  // namespace assay
