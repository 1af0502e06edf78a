// The compiled kernels of grouped wgmma_sm90: one list, from which the launch plans take names and the .cu files
// functions.  Names are as the compiler demangles them.
#pragma once

#define ASSAY_GROUPED_WGMMA_NAME(Element, Layout, n, stages, Schedule)                                      \
  "wgmma_sm90<assay::sm90::" #Element ", assay::sm90::" #Layout ", assay::sm90::Tile<128, " #n ", " #stages \
  ">, assay::" #Schedule ">"

/// ROW(dtype, Element, pass, Layout, tile n, stages, Schedule)
#define ASSAY_GROUPED_WGMMA_TILES(ROW, dtype, Element, pass, Layout, Schedule) \
  ROW(dtype, Element, pass, Layout, 256, 4, Schedule)                          \
  ROW(dtype, Element, pass, Layout, 128, 6, Schedule)

#define ASSAY_GROUPED_WGMMA_M(ROW, dtype, Element)                              \
  ASSAY_GROUPED_WGMMA_TILES(ROW, dtype, Element, forward, Tn, MGroupedSchedule) \
  ASSAY_GROUPED_WGMMA_TILES(ROW, dtype, Element, dgrad, Nn, MGroupedSchedule)
#define ASSAY_GROUPED_WGMMA_K(ROW, dtype, Element) \
  ASSAY_GROUPED_WGMMA_TILES(ROW, dtype, Element, wgrad, Nt, KGroupedSchedule)
