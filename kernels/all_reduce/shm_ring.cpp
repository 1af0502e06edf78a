#include "kernels/all_reduce/shm_ring.h"

#include <chrono>
#include <stdexcept>
#include <thread>

#include "kernels/all_reduce/rank_threads.h"
#include "kernels/all_reduce/ring.h"
#include "kernels/all_reduce/shared_memory.h"

namespace assay {
namespace {

using Clock = std::chrono::steady_clock;

void wait_until(const std::atomic<std::int32_t>& value, std::int32_t least, Clock::time_point deadline, int ranks) {
  while (value.load(std::memory_order_acquire) < least) {
    if (Clock::now() > deadline)
      throw std::runtime_error("all-reduce: only " + std::to_string(value.load()) + " of " + std::to_string(ranks) +
                               " ranks have mapped the shared segment in time");
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
}

// The creator's hold on the name: it goes as soon as everybody has the mapping, so that nothing outlives a killed run.
class SegmentName {
 public:
  explicit SegmentName(std::string name) : name_(std::move(name)) {}
  SegmentName(const SegmentName&) = delete;
  SegmentName& operator=(const SegmentName&) = delete;
  ~SegmentName() { SharedMemory::unlink(name_); }

 private:
  std::string name_;
};

SharedMemory meet(const AllReducePeers& peers, std::size_t bytes, double seconds) {
  if (peers.single_process()) return SharedMemory::anonymous(bytes);
  const auto deadline =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  const auto control = [](const SharedMemory& memory) { return reinterpret_cast<RingControl*>(memory.data()); };
  if (peers.first_local == 0) {
    SharedMemory memory = SharedMemory::create(peers.shared_name, bytes);
    {
      const SegmentName name(peers.shared_name);
      control(memory)->mapped.fetch_add(peers.local, std::memory_order_acq_rel);
      wait_until(control(memory)->mapped, peers.ranks, deadline, peers.ranks);
    }
    control(memory)->unlinked.store(1, std::memory_order_release);
    return memory;
  }
  SharedMemory memory = SharedMemory::open(peers.shared_name, bytes, deadline);
  control(memory)->mapped.fetch_add(peers.local, std::memory_order_acq_rel);
  // Not before the name is gone: the next operation of this group uses it again.
  wait_until(control(memory)->unlinked, 1, deadline, peers.ranks);
  return memory;
}

class ShmRingOperation final : public AllReduceOperation {
 public:
  ShmRingOperation(const AllReduceProblem& problem, const Target& target, const RingPlan& plan)
      : plan_(plan),
        memory_(meet(problem.peers, plan.segment_bytes(), plan.deadline_seconds)),
        members_(make_members(problem.peers)),
        threads_(problem.peers.local, target.threads, [this](int local) {
          members_[std::size_t(local)].run(buffers_->input[std::size_t(local)], buffers_->output[std::size_t(local)]);
        }) {}

  void launch(const AllReduceBuffers& buffers, Stream) override {
    if (broken_) throw std::runtime_error("all-reduce: an earlier launch failed, and the ranks no longer agree");
    buffers_ = &buffers;
    broken_ = true;  // until it is known to have worked
    threads_.run();
    broken_ = false;
  }

  std::string description() const override {
    if (plan_.ranks == 1) return "one rank: a copy";
    const std::string slot = std::to_string(plan_.slot_bytes()) + " bytes";
    if (plan_.flat) return "flat, mailboxes of " + slot;
    return "ring, " + std::to_string(plan_.blocks) + " blocks, mailbox slots of " + slot;
  }

 private:
  std::vector<RingMember> make_members(const AllReducePeers& peers) {
    std::vector<RingMember> members;
    for (int local = 0; local < peers.local; ++local)
      members.emplace_back(plan_, memory_.data(), peers.first_local + local);
    return members;
  }

  RingPlan plan_;
  SharedMemory memory_;
  std::vector<RingMember> members_;
  const AllReduceBuffers* buffers_ = nullptr;  // of the launch in progress
  bool broken_ = false;
  RankThreads threads_;  // last: its threads use the members above
};

}  // namespace

Support shm_ring_supports(const AllReduceProblem& problem, const Target&) {
  const AllReducePeers& peers = problem.peers;
  if (peers.ranks > kMaxRingRanks) return Support::no("takes at most " + std::to_string(kMaxRingRanks) + " ranks");
  if (!peers.one_host) return Support::no("shared memory does not reach across hosts: start all ranks on one");
  if (!peers.single_process() && peers.shared_name.empty())
    return Support::no("the processes share no name to meet under");
  return Support::yes();
}

std::unique_ptr<AllReduceOperation> prepare_shm_ring(const AllReduceProblem& problem, const Target& target,
                                                     const ShmRingOptions& options) {
  RingPlan plan = plan_ring(problem.peers.ranks, problem.dtype, problem.count);
  plan.deadline_seconds = options.deadline_seconds;
  return std::make_unique<ShmRingOperation>(problem, target, plan);
}

AllReduceKernel shm_ring_kernel() {
  AllReduceKernel kernel;
  kernel.name = "shm_ring";
  kernel.device = Device::cpu;
  kernel.dtypes = {DType::f32, DType::bf16};
  kernel.supports = shm_ring_supports;
  kernel.prepare = [](const AllReduceProblem& problem, const Target& target, const std::vector<AllReduceBuffers>&,
                      Stream) { return prepare_shm_ring(problem, target); };
  return kernel;
}

}  // namespace assay
