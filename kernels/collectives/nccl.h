// NCCL as a row of the table: all GPUs of the node, driven by this process, or one GPU of each process.
#pragma once
#include "kernels/collectives/collectives.h"

namespace assay {
CollectiveKernel nccl_kernel();
}  // namespace assay
