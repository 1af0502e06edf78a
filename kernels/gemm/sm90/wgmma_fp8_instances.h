// The compiled kernels of wgmma_fp8.cuh: one list, from which the launch plans take names and the .cu file
// functions.
#pragma once

/// ROW(dtype, Element, scaling, Scaling, tile n, stages) for each tile of wgmma_config.h.
#define ASSAY_WGMMA_FP8_SM90_SCALINGS(ROW, dtype, Element) \
  ROW(dtype, Element, tensor, TensorScaling, 256, 4)       \
  ROW(dtype, Element, tensor, TensorScaling, 192, 4)       \
  ROW(dtype, Element, tensor, TensorScaling, 128, 6)       \
  ROW(dtype, Element, block, BlockScaling, 192, 4)         \
  ROW(dtype, Element, block, BlockScaling, 128, 5)

#define ASSAY_WGMMA_FP8_SM90_INSTANCES(ROW)      \
  ASSAY_WGMMA_FP8_SM90_SCALINGS(ROW, e4m3, E4m3) \
  ASSAY_WGMMA_FP8_SM90_SCALINGS(ROW, e5m2, E5m2)

/// As the compiler demangles it.
#define ASSAY_WGMMA_FP8_SM90_NAME(Element, Scaling, n, stages) \
  "wgmma_fp8_sm90<assay::sm90::" #Scaling ", assay::sm90::" #Element ", assay::sm90::Tile<128, " #n ", " #stages "> >"
