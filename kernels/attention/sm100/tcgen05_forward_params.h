// The parameter of tcgen05_forward.cuh.  Needs cuda.h for its types alone; C++17.
#pragma once
#include "kernels/attention/cuda/persistent_forward_params.h"

namespace assay {

struct Tcgen05Sm100ForwardParams : PersistentForwardParams {
  std::uint32_t scores_instruction, output_instruction;  // descriptors
};

}  // namespace assay
