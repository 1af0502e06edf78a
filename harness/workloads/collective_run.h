// A prepared case of a collective: buffers of every local rank, exact inputs, and the comparison of what came out.
#pragma once
#include <string>
#include <vector>

#include "harness/workloads/collective_problem.h"
#include "harness/workloads/rotated_buffer.h"
#include "harness/workloads/workload.h"

namespace assay {

/// What `work` is for this problem.
Work collective_work(const CollectiveProblem&);
/// Memory of one set, all ranks that share it.
std::size_t collective_set_bytes(const CollectiveProblem&, Device);

class CollectiveRun final : public Workload {
 public:
  /// Collective over the communicator's processes.
  CollectiveRun(const Case&, const WorkloadContext&, const CollectiveKernel&, const CollectiveProblem&);

  Work work() const override { return collective_work(problem_); }
  int sets() const override { return sets_; }
  void launch(int set) override { operation_->launch(buffers_[std::size_t(set)], backend_.stream()); }
  bool probe_placement() const override { return point_.device == Device::cpu && problem_.peers.ranks > 1; }
  bool own_threads() const override { return true; }  // a thread or a process is a rank
  std::string description() const override { return operation_->description(); }
  Check check(const std::vector<std::int64_t>& launches) override;
  std::vector<Detail> details() override;

 private:
  /// Timed: what is launched again and again.  Once more: a single launch after that.
  enum class Pass { timed, once_more };

  double input(Pass, int rank, std::int64_t index) const;
  double expected(Pass, int rank, std::int64_t index) const;
  double cancelling_sum(int rank, std::int64_t index) const;
  double cancelling_others(int rank, std::int64_t index) const;

  void allocate(const CollectiveKernel&);
  void add_set(int set);
  void fill(Pass);
  int rank_of(std::size_t local) const { return problem_.peers.first_local + int(local); }
  int slot_of(std::size_t local) const { return point_.device == Device::gpu ? int(local) : 0; }
  std::vector<std::byte> expected_output(Pass, int rank) const;
  void compare_set(Check&, int set, Pass);
  void compare_elements(Check&, const std::byte* got, const std::vector<std::byte>& expected, int rank, int set,
                        Pass) const;
  void compare_digests(Check&);

  const Case point_;
  Backend& backend_;
  Communicator& communicator_;
  const CollectiveProblem problem_;
  int sets_ = 1;
  std::unique_ptr<CollectiveWindow> window_;   // before what lies in it
  std::vector<RotatedBuffer> input_, output_;  // per local rank; in place there is no output_ and both are in input_
  std::vector<CollectiveBuffers> buffers_;     // per set
  std::vector<std::string> digests_;           // per local rank, of all outputs compared
  std::unique_ptr<CollectiveOperation> operation_;
  double prepare_seconds_ = 0;  // the slowest process's, until communicators and kernel were ready
};

}  // namespace assay
