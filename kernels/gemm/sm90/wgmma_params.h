// The parameter of wgmma.cuh.  Needs cuda.h for its types alone; C++17.
#pragma once
#include <cuda.h>

#include <cstdint>

#include "kernels/gemm/sm90/wgmma_schedule.h"

namespace assay {

enum class WgmmaOutput : std::uint8_t {
  store_16,   // d = a * b in a's 16-bit type
  store_f32,  // d = a * b in fp32
  add_f32,    // d += a * b in fp32
};

template <class Schedule>
struct WgmmaSm90Params {
  // Boxes: of a and b what one bulk copy of a stage loads (operand_map in wgmma.cpp), of d 128 bytes by 64 rows.
  CUtensorMap map_a, map_b, map_d;
  Schedule schedule;
  int cluster_m, cluster_n;  // CTAs of a cluster along m and n; their product is 1 or 2
  WgmmaOutput output;
  // d itself, for add_f32 to read.
  const float* d;
  int m, n;
  // Where tiles are sliced: partial sums, [sliced tiles][CTAs of a cluster][warpgroups][slices][64 * tile_n], and how
  // many slices have arrived, [sliced tiles][CTAs of a cluster][warpgroups]: zero before the first launch, and again
  // after each.
  float* partial_sums;
  unsigned* arrived;
};

}  // namespace assay
