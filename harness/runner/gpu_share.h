// Which GPU each rank of a launcher takes.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "harness/communicators/communicator.h"

namespace assay {

/// What a rank sees: its kernel (containers of one machine share it, and its GPUs' addresses), the host's name for
/// people, and its GPUs' PCI addresses in CUDA's order, as CUDA_VISIBLE_DEVICES leaves them.
struct SeenByRank {
  std::string kernel, host;
  std::vector<std::string> gpus;
};

struct GpuShare {
  std::vector<std::vector<int>> ordinals;  // of each rank, as many for all, among those that it sees
  std::string problem;                     // why some rank has none of its own; then there are no ordinals
};

/// k ranks that see the same n GPUs of a host take them in turn: the first k of them in rank order, then the next k, as
/// far as all ranks get one more.  Where the launcher gave each rank its own (srun --gpus-per-task), those are its own.
GpuShare share_gpus(const std::vector<SeenByRank>&);

/// The same for the ranks of a communicator, with what the provenance says of each rank's first GPU, on which it runs
/// what all ranks run together: rank, host, ordinal among those it sees, and PCI address.  Empty, without a problem,
/// where no rank sees a GPU.  Collective.
struct RankGpus {
  GpuShare share;
  nlohmann::ordered_json provenance = nlohmann::ordered_json::array();
};
RankGpus share_gpus(Communicator&, int gpus);

}  // namespace assay
