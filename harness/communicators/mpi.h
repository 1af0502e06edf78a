// Communication through MPI, by way of the loadable module (kernels/common/mpi/mpi_library.h).
#pragma once
#include <memory>

#include "harness/communicators/communicator.h"

namespace assay {
/// Initialises MPI.  std::runtime_error where the module cannot be loaded or MPI does not start.
std::unique_ptr<Communicator> make_mpi_communicator();
}  // namespace assay
