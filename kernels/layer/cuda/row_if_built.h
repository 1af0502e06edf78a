// How a table names a CUDA row.
#pragma once
#include "assay/build_config.h"
#include "kernels/layer/cuda/kernels.h"

/// Behind the other rows of a table: this one, where the build has CUDA.
#if ASSAY_HAS_CUDA
#define ASSAY_CUDA_ROW(row) , row
#else
#define ASSAY_CUDA_ROW(row)
#endif
