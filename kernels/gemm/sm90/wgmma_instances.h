// The compiled kernels of wgmma.cuh: one list, from which the launch plans take names and the .cu files functions.
#pragma once

/// ROW(dtype, Element, layout, Layout, tile m, tile n, stages) for each tile of wgmma_config.h.
#define ASSAY_WGMMA_SM90_TILES(ROW, dtype, Element, layout, Layout) \
  ROW(dtype, Element, layout, Layout, 128, 256, 4)                  \
  ROW(dtype, Element, layout, Layout, 128, 192, 4)                  \
  ROW(dtype, Element, layout, Layout, 128, 128, 6)

#define ASSAY_WGMMA_SM90_LAYOUTS(ROW, dtype, Element) \
  ASSAY_WGMMA_SM90_TILES(ROW, dtype, Element, tn, Tn) \
  ASSAY_WGMMA_SM90_TILES(ROW, dtype, Element, nn, Nn) \
  ASSAY_WGMMA_SM90_TILES(ROW, dtype, Element, nt, Nt)

/// As the compiler demangles it.
#define ASSAY_WGMMA_SM90_NAME(Element, Layout, m, n, stages)                                                   \
  "wgmma_sm90<assay::sm90::" #Element ", assay::sm90::" #Layout ", assay::sm90::Tile<" #m ", " #n ", " #stages \
  ">, assay::DenseSchedule>"

/// A row of a table of NamedKernel.
#define ASSAY_WGMMA_SM90_KERNEL(dtype, Element, layout, Layout, m, n, stages) \
  {ASSAY_WGMMA_SM90_NAME(Element, Layout, m, n, stages),                      \
   sm90::wgmma_sm90<sm90::Element, sm90::Layout, sm90::Tile<m, n, stages>, DenseSchedule>},
