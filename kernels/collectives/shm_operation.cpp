#include "kernels/collectives/shm_operation.h"

#include <stdexcept>

#include "kernels/collectives/low_latency.h"
#include "kernels/collectives/rank_threads.h"
#include "kernels/collectives/ring.h"
#include "kernels/collectives/staged.h"

namespace assay {
namespace {

class ShmOperation final : public CollectiveOperation {
 public:
  ShmOperation(const CollectiveProblem& problem, const Target& target, const ShmChoice& choice,
               const ShmOptions& options)
      : problem_(problem),
        description_(choice.description),
        memory_(meet(problem.peers, sizeof(ShmControl) + choice.shared_bytes, options.deadline_seconds)),
        algorithms_(make_algorithms(choice, options)),
        threads_(problem.peers.local, target.threads, [this](int local) { run(std::size_t(local)); }) {}

  void launch(const CollectiveBuffers& buffers, Stream) override {
    if (broken_) throw std::runtime_error("an earlier launch failed, and the ranks no longer agree");
    buffers_ = &buffers;
    broken_ = true;  // until it is known to have worked
    threads_.run();
    broken_ = false;
  }

  std::string description() const override { return problem_.peers.ranks == 1 ? "one rank: a copy" : description_; }

 private:
  void run(std::size_t local) {
    const void* const input = buffers_->input[local];
    void* const output = buffers_->output[local];
    if (problem_.peers.ranks > 1)
      algorithms_[local]->run(input, output);
    else if (input != output)
      copy_elements(problem_.dtype, input, {output}, problem_.count);
  }

  std::vector<std::unique_ptr<RankAlgorithm>> make_algorithms(const ShmChoice& choice, const ShmOptions& options) {
    std::vector<std::unique_ptr<RankAlgorithm>> algorithms;
    const CollectivePeers& peers = problem_.peers;
    for (int local = 0; local < peers.local; ++local)
      algorithms.push_back(choice.make(ShmMember(reinterpret_cast<ShmControl*>(memory_.data()),
                                                 peers.first_local + local, peers.ranks, options.deadline_seconds),
                                       memory_.data() + sizeof(ShmControl)));
    return algorithms;
  }

  CollectiveProblem problem_;
  std::string description_;
  SharedMemory memory_;
  std::vector<std::unique_ptr<RankAlgorithm>> algorithms_;
  const CollectiveBuffers* buffers_ = nullptr;  // of the launch in progress
  bool broken_ = false;
  RankThreads threads_;  // last: its threads use the members above
};

}  // namespace

std::unique_ptr<CollectiveOperation> make_shm_operation(const CollectiveProblem& problem, const Target& target,
                                                        const ShmChoice& choice, const ShmOptions& options) {
  return std::make_unique<ShmOperation>(problem, target, choice, options);
}

ShmChoice choose_staged(const CollectiveProblem& problem, const std::string& algorithm) {
  ShmChoice choice;
  if (algorithm == "low_latency") {
    choice.description = "low_latency: words of " + std::to_string(low_latency_word_bytes() - 4) + " bytes and a mark";
    choice.shared_bytes = low_latency_shared_bytes(problem);
    choice.make = [problem](const ShmMember& member, std::byte* shared) {
      return make_low_latency(problem, member, shared);
    };
    return choice;
  }
  if (algorithm == "ring") {
    const RingPlan plan = plan_ring(problem.peers.ranks, problem.dtype, problem.count);
    choice.description = "ring, " + std::to_string(plan.blocks) + " blocks, mailbox slots of " +
                         std::to_string(plan.slot_bytes()) + " bytes";
    choice.shared_bytes = plan.shared_bytes();
    choice.make = [plan](const ShmMember& member, std::byte* shared) {
      return std::make_unique<RingMember>(plan, member, shared);
    };
    return choice;
  }
  const StagedPlan plan = plan_staged(problem, algorithm == "two_shot");
  choice.description = algorithm + ", " + std::to_string(plan.chunks) + (plan.chunks == 1 ? " chunk" : " chunks") +
                       ", staging slots of " + std::to_string(plan.slot_bytes()) + " bytes";
  choice.shared_bytes = plan.shared_bytes();
  choice.make = [plan](const ShmMember& member, std::byte* shared) {
    return std::make_unique<StagedMember>(plan, member, shared);
  };
  return choice;
}

Support shm_supports(const CollectiveProblem& problem) {
  if (problem.has_parts() && problem.part() == 0)
    return Support::no("fewer elements than ranks: a part would have none");
  return can_share_memory(problem.peers);
}

}  // namespace assay
