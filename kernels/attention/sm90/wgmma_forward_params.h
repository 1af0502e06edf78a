// The parameter of wgmma_forward.cuh.  Needs cuda.h for its types alone; C++17.
#pragma once
#include "kernels/attention/cuda/persistent_forward_params.h"

namespace assay {

struct WgmmaSm90ForwardParams : PersistentForwardParams {};

}  // namespace assay
