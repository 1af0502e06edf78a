// Finds and loads libassay_mpi.so.
#pragma once
#include <string>

#include "kernels/common/mpi/mpi_module.h"

namespace assay {

/// The module's table; loaded at the first call and never unloaded (MPI libraries do not survive it).
/// std::runtime_error with every place tried and what the loader said of it.
const MpiModule& load_mpi_module();

/// std::runtime_error "<what>: <MPI's text>" unless `code` is success.
void check_mpi(const MpiModule&, int code, const std::string& what);

}  // namespace assay
