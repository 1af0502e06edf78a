// Our collectives between buffers of the caller, over shared memory between the CPU ranks of one host.
#pragma once
#include "kernels/collectives/shm_operation.h"

namespace assay {

Support shm_ring_supports(const CollectiveProblem&, const Target&);
std::unique_ptr<CollectiveOperation> prepare_shm_ring(const CollectiveProblem&, const Target&, const ShmOptions& = {});

/// The row of the table.
CollectiveKernel shm_ring_kernel();

}  // namespace assay
