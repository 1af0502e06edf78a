// The parameter of wgmma_fp8.cuh.  Needs cuda.h for its types alone; C++17.
#pragma once
#include "kernels/gemm/sm90/wgmma_params.h"

namespace assay {

struct WgmmaFp8Sm90Params : WgmmaSm90Params<DenseSchedule> {
  const float* a_tensor_scale;  // tensor scaling
  const float* b_tensor_scale;
  CUtensorMap map_a_scales;  // block scaling: a box is the factors of a tile's rows
  const float* b_scales;     // [b_scale_rows][b_scale_pitch]: n / 128, k / 128
  int b_scale_rows, b_scale_pitch;
};

}  // namespace assay
