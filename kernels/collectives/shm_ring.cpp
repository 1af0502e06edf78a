// The row `shm_ring`, named after the first of its algorithms: low_latency (low_latency.h), flat and two_shot
// (staged.h), ring (ring.h).  Operations other than all_reduce have one algorithm, the staged copy.
#include "kernels/collectives/shm_ring.h"

#include "kernels/collectives/low_latency.h"

namespace assay {
namespace {

// Below this a message goes flat: reading n whole inputs costs less than a second exchange.
constexpr std::int64_t kFlatBytes = 16 << 10;

std::string algorithm_of(const CollectiveProblem& problem) {
  if (problem.operation != Collective::all_reduce) return "staged";
  if (problem.algorithm != "auto") return problem.algorithm;
  if (problem.bytes() <= low_latency_bytes()) return "low_latency";
  return problem.bytes() <= kFlatBytes ? "flat" : "two_shot";
}

}  // namespace

Support shm_ring_supports(const CollectiveProblem& problem, const Target&) {
  if (problem.buffers != BufferKind::user) return Support::no("takes the caller's own buffers: buffers=user");
  if (problem.algorithm != "auto" && problem.operation != Collective::all_reduce)
    return Support::no(std::string("has one algorithm for ") + name(problem.operation) + ": algo=auto");
  if (problem.algorithm == "low_latency" && problem.bytes() > kMostLowLatencyBytes)
    return Support::no("low_latency takes at most " + std::to_string(kMostLowLatencyBytes) + " bytes");
  return shm_supports(problem);
}

std::unique_ptr<CollectiveOperation> prepare_shm_ring(const CollectiveProblem& problem, const Target& target,
                                                      const ShmOptions& options) {
  return make_shm_operation(problem, target, choose_staged(problem, algorithm_of(problem)), options);
}

CollectiveKernel shm_ring_kernel() {
  CollectiveKernel kernel;
  kernel.name = "shm_ring";
  kernel.device = Device::cpu;
  kernel.dtypes = {DType::f32, DType::bf16, DType::f16};
  kernel.supports = shm_ring_supports;
  kernel.prepare = [](const CollectiveProblem& problem, const Target& target, const std::vector<CollectiveBuffers>&,
                      Stream) { return prepare_shm_ring(problem, target); };
  return kernel;
}

}  // namespace assay
