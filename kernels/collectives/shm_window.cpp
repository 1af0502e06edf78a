// The row `shm_window`: window_direct.h, and for messages too small for its two barriers the way of shm_ring, which
// needs none.
#include "kernels/collectives/shm_window.h"

#include <stdexcept>

#include "kernels/collectives/low_latency.h"
#include "kernels/collectives/window_direct.h"

namespace assay {
namespace {

// Up to here an all-reduce by way of staging, without barriers, is over sooner.
constexpr std::int64_t kFlatBytes = 4 << 10;

// Pieces begin on a huge page, where there are such.
constexpr std::size_t kPieceAlignment = std::size_t(2) << 20;

class ShmWindow final : public CollectiveWindow {
 public:
  ShmWindow(const CollectivePeers& peers, std::size_t bytes, const ShmOptions& options)
      : first_local_(peers.first_local),
        stride_((bytes + kPieceAlignment - 1) / kPieceAlignment * kPieceAlignment),
        memory_(meet(peers, kPieceAlignment + stride_ * std::size_t(peers.ranks), options.deadline_seconds)) {}

  std::byte* data(int local) const override { return piece(first_local_ + local); }
  std::byte* piece(int rank) const { return memory_.data() + kPieceAlignment + stride_ * std::size_t(rank); }

 private:
  int first_local_;
  std::size_t stride_;
  SharedMemory memory_;  // the control block, then one piece a rank
};
static_assert(sizeof(ShmControl) <= kPieceAlignment);

}  // namespace

Support shm_window_supports(const CollectiveProblem& problem, const Target&) {
  if (problem.buffers != BufferKind::window) return Support::no("takes buffers in a shared window: buffers=window");
  if (problem.algorithm != "auto") return Support::no("chooses its algorithm itself: algo=auto");
  return shm_supports(problem);
}

std::unique_ptr<CollectiveWindow> make_shm_window(const CollectivePeers& peers, std::size_t bytes,
                                                  const ShmOptions& options) {
  return std::make_unique<ShmWindow>(peers, bytes, options);
}

std::unique_ptr<CollectiveOperation> prepare_shm_window(const CollectiveProblem& problem, const Target& target,
                                                        const CollectiveWindow* window, const ShmOptions& options) {
  const auto* shared = dynamic_cast<const ShmWindow*>(window);
  if (!shared) throw std::logic_error("shm_window: the buffers lie in no window of this kernel");
  if (problem.operation == Collective::all_reduce && problem.bytes() <= kFlatBytes)
    return make_shm_operation(problem, target,
                              choose_staged(problem, problem.bytes() <= low_latency_bytes() ? "low_latency" : "flat"),
                              options);
  ShmChoice choice;
  choice.description = "direct";
  choice.make = [problem, shared](const ShmMember& member, std::byte*) {
    std::vector<std::byte*> pieces;
    for (int rank = 0; rank < problem.peers.ranks; ++rank) pieces.push_back(shared->piece(rank));
    return std::make_unique<WindowDirectMember>(problem, member, std::move(pieces));
  };
  return make_shm_operation(problem, target, choice, options);
}

CollectiveKernel shm_window_kernel() {
  CollectiveKernel kernel;
  kernel.name = "shm_window";
  kernel.device = Device::cpu;
  kernel.dtypes = {DType::f32, DType::bf16, DType::f16};
  kernel.supports = shm_window_supports;
  kernel.make_window = [](const CollectiveProblem& problem, const std::vector<Target>&, std::size_t bytes) {
    return make_shm_window(problem.peers, bytes);
  };
  kernel.prepare = [](const CollectiveProblem& problem, const Target& target,
                      const std::vector<CollectiveBuffers>& sets,
                      Stream) { return prepare_shm_window(problem, target, sets.front().window); };
  return kernel;
}

}  // namespace assay
