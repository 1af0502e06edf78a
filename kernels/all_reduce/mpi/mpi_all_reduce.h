// MPI_Allreduce as a row of the table.
#pragma once
#include "kernels/all_reduce/all_reduce.h"

namespace assay {
/// Named after the MPI this build's module was compiled with: `openmpi` or `mpich`.
AllReduceKernel mpi_all_reduce_kernel();
}  // namespace assay
