// NCCL's collectives as CUDA graphs: one graph for each GPU and buffer set, captured once, so that a launch costs the
// host one call a GPU and none of NCCL's planning.
#pragma once
#include <cuda_runtime_api.h>

#include <functional>
#include <map>
#include <vector>

#include "kernels/collectives/collectives.h"

namespace assay {

class NcclGraphs {
 public:
  /// `devices`: of the local ranks.
  explicit NcclGraphs(std::vector<int> devices) : devices_(std::move(devices)) {}
  NcclGraphs(const NcclGraphs&) = delete;
  NcclGraphs& operator=(const NcclGraphs&) = delete;
  ~NcclGraphs() { clear(); }

  /// What `enqueue` puts on the set's streams.  Connections must be there already: making them allocates memory, which
  /// a capture refuses.
  void capture(const CollectiveBuffers& set, const std::function<void()>& enqueue);
  void launch(const CollectiveBuffers& set) const;
  /// Before the communicators whose operations were captured go: NCCL waits for their graphs.
  void clear();

 private:
  std::vector<int> devices_;
  std::map<const void*, std::vector<cudaGraphExec_t>> graphs_;  // by the first rank's output; an entry per rank
};

}  // namespace assay
