#include "harness/runner/gpu_share.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <map>

#include "harness/backends/backend.h"
#include "harness/core/system_files.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

SeenByRank seen_here(int gpus) {
  SeenByRank out;
  char name[256] = "";
  ::gethostname(name, sizeof name - 1);
  out.host = name;
  out.kernel = first_line("/proc/sys/kernel/random/boot_id").value_or(out.host);
  for (int ordinal = 0; ordinal < gpus; ++ordinal) out.gpus.push_back(gpu_pci_bus_id(ordinal));
  return out;
}

Json to_json(const SeenByRank& seen) { return {{"kernel", seen.kernel}, {"host", seen.host}, {"gpus", seen.gpus}}; }

SeenByRank seen_from_json(const Json& json) {
  return {json.at("kernel").get<std::string>(), json.at("host").get<std::string>(),
          json.at("gpus").get<std::vector<std::string>>()};
}

GpuShare none(std::string problem) { return {{}, std::move(problem)}; }

using SeenAlike = std::pair<std::string, std::vector<std::string>>;  // kernel and GPUs
SeenAlike alike(const SeenByRank& seen) { return {seen.kernel, seen.gpus}; }

GpuShare too_few(std::size_t rank, const SeenByRank& seen, int ranks) {
  const std::size_t gpus = seen.gpus.size();
  if (gpus == 0)
    return none(fmt::format("no GPU for rank {}: it sees none on {}, and each rank takes one", rank, seen.host));
  return none(
      fmt::format("no GPU for rank {0}: {1} ranks see the same {2} GPU{3} of {4}, and each takes one; start at "
                  "most {2} there (mpirun --map-by ppr:{2}:node, srun --ntasks-per-node={2})",
                  rank, ranks, gpus, gpus == 1 ? "" : "s", seen.host));
}

}  // namespace

GpuShare share_gpus(const std::vector<SeenByRank>& ranks) {
  if (std::all_of(ranks.begin(), ranks.end(), [](const SeenByRank& seen) { return seen.gpus.empty(); })) return {};
  std::map<SeenAlike, int> of_set, taken;  // ranks that see the same GPUs
  for (const SeenByRank& seen : ranks) ++of_set[alike(seen)];
  std::map<std::pair<std::string, std::string>, std::size_t> owners;  // by kernel and address
  GpuShare out;
  std::size_t least = SIZE_MAX;
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    const SeenByRank& seen = ranks[rank];
    const int first = taken[alike(seen)]++, step = of_set[alike(seen)], count = int(seen.gpus.size());
    if (first >= count) return too_few(rank, seen, step);
    out.ordinals.emplace_back();
    for (int ordinal = first; ordinal < count; ordinal += step) out.ordinals.back().push_back(ordinal);
    least = std::min(least, out.ordinals.back().size());
    for (const int ordinal : out.ordinals.back())
      if (const auto [owner, fresh] = owners.emplace(std::pair(seen.kernel, seen.gpus[std::size_t(ordinal)]), rank);
          !fresh)
        return none(
            fmt::format("ranks {} and {} would both take GPU {} of {}: let all ranks of a host see the same "
                        "GPUs, or each its own",
                        owner->second, rank, owner->first.second, seen.host));
  }
  for (auto& own : out.ordinals) own.resize(least);
  return out;
}

RankGpus share_gpus(Communicator& communicator, int gpus) {
  std::vector<SeenByRank> ranks;
  for (const std::string& text : communicator.gather(to_json(seen_here(gpus)).dump()))
    ranks.push_back(seen_from_json(Json::parse(text)));
  RankGpus out;
  out.share = share_gpus(ranks);
  for (std::size_t rank = 0; rank < out.share.ordinals.size(); ++rank) {
    const auto ordinal = std::size_t(out.share.ordinals[rank].front());
    out.provenance.push_back(
        {{"rank", rank}, {"host", ranks[rank].host}, {"index", ordinal}, {"pci_bus_id", ranks[rank].gpus[ordinal]}});
  }
  return out;
}

}  // namespace assay
