// Our collectives between buffers in a window of shared memory that every CPU rank of the host maps: what symmetric
// memory is to NCCL.
#pragma once
#include "kernels/collectives/shm_operation.h"

namespace assay {

Support shm_window_supports(const CollectiveProblem&, const Target&);
std::unique_ptr<CollectiveWindow> make_shm_window(const CollectivePeers&, std::size_t bytes, const ShmOptions& = {});
/// `window` is one of make_shm_window() and outlives the operation.
std::unique_ptr<CollectiveOperation> prepare_shm_window(const CollectiveProblem&, const Target&,
                                                        const CollectiveWindow* window, const ShmOptions& = {});

/// The row of the table.
CollectiveKernel shm_window_kernel();

}  // namespace assay
