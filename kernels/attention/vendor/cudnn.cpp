// The vendor's attention as one row of the table: cuDNN's fused kernels by its backend API, without the headers of
// cudnn-frontend.  The graph is built once for a problem; every configuration of an engine that the heuristic proposes
// is timed on the real buffers, and the fastest is what is measured.  A launch only executes.
//
// Not here: packed sequences, and a causal mask with more queries than keys, which both need the library's padding
// mask.  Deterministic backward is the graph in which dq leaves the last product directly, and no atomic adds; its
// workspace grows with seq_q * seq_kv.
#include <algorithm>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "kernels/attention/cuda/kernel_rows.h"
#include "kernels/attention/vendor/cudnn_attention_graph.h"
#include "kernels/common/device_memory.h"
#include "kernels/common/launch_tuning.h"

namespace assay {
namespace {

constexpr std::size_t kAlignment = 256;  // of each part of the workspace, as cudaMalloc's

struct Handle {
  explicit Handle(const CudnnLibrary& library) : cudnn(library) { cudnn.check(cudnn.create(&handle), "cudnnCreate"); }
  ~Handle() { cudnn.destroy(handle); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  const CudnnLibrary& cudnn;
  cudnnHandle_t handle = nullptr;
};

/// One configuration of an engine, made executable.
struct Plan {
  CudnnDescriptor plan;
  std::size_t workspace_bytes;
  std::string name;
};

std::size_t rounded(std::size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

class CudnnAttention final : public AttentionOperation {
 public:
  CudnnAttention(const CudnnLibrary&, const AttentionProblem&, const std::vector<AttentionBuffers>& sets, Stream);
  void launch(const AttentionBuffers& buffers, Stream stream) override {
    if (stream != stream_) use(stream);
    execute(plans_.front(), buffers);
  }
  std::string description() const override { return description_; }

 private:
  void use(Stream stream) {
    cudnn_.check(cudnn_.set_stream(handle_.handle, stream), "cudnnSetStream");
    stream_ = stream;
  }
  void make_plans();
  void keep_runnable(const AttentionBuffers&);
  void keep_fastest(const std::vector<AttentionBuffers>& sets);
  void add_pack(const AttentionBuffers&);
  void* at(std::size_t offset) const { return static_cast<char*>(workspace_.get()) + offset; }
  void* address(CudnnOperand, const AttentionBuffers&) const;
  void execute(const Plan& plan, const AttentionBuffers& buffers) {
    auto pack = packs_.find(buffers.q);
    if (pack == packs_.end()) throw std::logic_error("cudnn: launched on buffers that it was not prepared for");
    cudnn_.check(cudnn_.execute(handle_.handle, plan.plan.handle(), pack->second.handle()), "cudnnBackendExecute");
  }

  const CudnnLibrary& cudnn_;
  const AttentionProblem problem_;
  Handle handle_;
  CudnnGraph graph_;
  Stream stream_ = nullptr;
  std::vector<Plan> plans_;    // the chosen one alone, in the end
  std::size_t engine_offset_;  // in the workspace, behind delta and the sum of dq
  DeviceMemory workspace_;
  std::unordered_map<const void*, CudnnDescriptor> packs_;  // one for each set, by its q
  std::string description_;
};

CudnnAttention::CudnnAttention(const CudnnLibrary& cudnn, const AttentionProblem& problem,
                               const std::vector<AttentionBuffers>& sets, Stream stream)
    : cudnn_(cudnn),
      problem_(problem),
      handle_(cudnn),
      graph_(cudnn_attention_graph(cudnn, {handle_.handle, nullptr}, problem_)),
      engine_offset_(rounded(cudnn_delta_bytes(problem_)) + rounded(cudnn_dq_sum_bytes(problem_))) {
  use(stream);
  make_plans();
  const auto largest = std::max_element(
      plans_.begin(), plans_.end(), [](const Plan& a, const Plan& b) { return a.workspace_bytes < b.workspace_bytes; });
  // An address even where none is needed.  NaN: what the library accumulates into, it must have zeroed itself.
  workspace_ = filled_device_memory(std::max(engine_offset_ + largest->workspace_bytes, kAlignment), 0xff, stream);
  for (const AttentionBuffers& set : sets) add_pack(set);
  keep_runnable(sets.front());
  keep_fastest(sets);
}

/// Of all proposals that the engines accept and whose workspace there is memory for.
void CudnnAttention::make_plans() {
  const std::vector<CudnnDescriptor> configs = graph_.engine_configs();
  if (configs.empty()) throw Unsupported("cuDNN " + cudnn_.version() + " has no engine for this problem on this GPU");
  std::size_t free_bytes = 0, all_bytes = 0;
  ASSAY_CHECK_CUDA(cudaMemGetInfo(&free_bytes, &all_bytes));
  std::string refusal;
  for (const CudnnDescriptor& config : configs) {
    try {
      CudnnDescriptor plan = graph_.plan(config);
      const auto bytes = static_cast<std::size_t>(plan.get_integer(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE));
      if (engine_offset_ + bytes <= free_bytes)
        plans_.push_back({std::move(plan), bytes, describe_cudnn_engine(config)});
      else
        refusal = "cuDNN needs a workspace of " + std::to_string((engine_offset_ + bytes) >> 20) + " MiB, free are " +
                  std::to_string(free_bytes >> 20);
    } catch (const std::runtime_error& error) {
      refusal = error.what();
    }
  }
  if (plans_.empty()) throw Unsupported(refusal);
}

void* CudnnAttention::address(CudnnOperand operand, const AttentionBuffers& buffers) const {
  switch (operand) {
    case CudnnOperand::q:
      return const_cast<void*>(buffers.q);
    case CudnnOperand::k:
      return const_cast<void*>(buffers.k);
    case CudnnOperand::v:
      return const_cast<void*>(buffers.v);
    case CudnnOperand::o:
      return buffers.o;
    case CudnnOperand::lse:
      return buffers.lse;
    case CudnnOperand::d_o:
      return const_cast<void*>(buffers.d_o);
    case CudnnOperand::dq:
      return buffers.dq;
    case CudnnOperand::dk:
      return buffers.dk;
    case CudnnOperand::dv:
      return buffers.dv;
    case CudnnOperand::delta:
      return at(0);
    case CudnnOperand::dq_sum:
      return at(rounded(cudnn_delta_bytes(problem_)));
  }
  throw std::logic_error("cudnn: an operand without an address");
}

void CudnnAttention::add_pack(const AttentionBuffers& buffers) {
  std::vector<std::int64_t> ids;
  std::vector<void*> addresses;
  for (const CudnnGraph::Tensor id : graph_.tensors_in_memory()) {
    ids.push_back(id);
    addresses.push_back(address(static_cast<CudnnOperand>(id), buffers));
  }
  for (const auto& [id, value] : graph_.constants()) {  // given by the address of the host's copy
    ids.push_back(id);
    addresses.push_back(const_cast<void*>(value));
  }
  void* engine_workspace = at(engine_offset_);
  CudnnDescriptor pack(cudnn_, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, "the addresses of a buffer set");
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, ids);
  pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, addresses);
  pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, engine_workspace);
  pack.finalize();
  packs_.emplace(buffers.q, std::move(pack));
}

/// Executes each plan once, which loads its code; drops those that fail.
void CudnnAttention::keep_runnable(const AttentionBuffers& buffers) {
  std::exception_ptr refusal;
  std::vector<Plan> runnable;
  for (Plan& plan : plans_) {
    try {
      execute(plan, buffers);
      runnable.push_back(std::move(plan));
    } catch (const std::runtime_error&) {
      refusal = std::current_exception();
    }
  }
  if (runnable.empty()) std::rethrow_exception(refusal);
  plans_ = std::move(runnable);
}

void CudnnAttention::keep_fastest(const std::vector<AttentionBuffers>& sets) {
  const std::size_t tried = plans_.size();
  const LaunchChoice choice = choose_fastest(
      tried, [&](std::size_t plan, std::size_t i) { execute(plans_[plan], sets[i % sets.size()]); }, stream_);
  Plan chosen = std::move(plans_[choice.index]);
  plans_.clear();
  plans_.push_back(std::move(chosen));
  const Plan& plan = plans_.front();
  description_ = "cuDNN " + cudnn_.version() + ", " + plan.name + ", workspace " +
                 std::to_string((engine_offset_ + plan.workspace_bytes + 1023) >> 10) + " KiB" +
                 describe_choice(choice, tried);
}

}  // namespace

AttentionKernel cudnn_attention() {
  AttentionKernel row;
  row.name = "cudnn";
  row.device = Device::gpu;
  row.vendor = true;
  row.dtypes = {DType::bf16, DType::f16};
  row.supports = [](const AttentionProblem& problem, const Target& target) {
    std::string reason;
    const CudnnLibrary* cudnn = cudnn_library(reason);
    if (!cudnn) return Support::no(reason);
    return cudnn_attention_support(problem, target.compute_capability, cudnn->get_version());
  };
  row.prepare = [](const AttentionProblem& problem, const Target&, const std::vector<AttentionBuffers>& sets,
                   Stream stream) -> std::unique_ptr<AttentionOperation> {
    std::string reason;
    const CudnnLibrary* cudnn = cudnn_library(reason);
    if (!cudnn) throw std::runtime_error(reason);
    return std::make_unique<CudnnAttention>(*cudnn, problem, sets, stream);
  };
  return row;
}

}  // namespace assay
