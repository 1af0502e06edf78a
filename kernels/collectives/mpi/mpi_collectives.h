// MPI's collectives as a row of the table.
#pragma once
#include "kernels/collectives/collectives.h"

namespace assay {
/// Named after the MPI this build's module was compiled with: `openmpi` or `mpich`.
CollectiveKernel mpi_collectives_kernel();
}  // namespace assay
