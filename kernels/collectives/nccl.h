// NCCL as a row of the table: all GPUs of the node, driven by this process.
#pragma once
#include "kernels/collectives/all_reduce.h"

namespace assay {
AllReduceKernel nccl_kernel();
}  // namespace assay
