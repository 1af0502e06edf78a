// The yardstick cublasGemmGroupedBatchedEx: the vendor's own grouped call, with shapes on the host.
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/common/cuda_check.h"
#include "kernels/common/device_memory.h"
#include "kernels/grouped_gemm/cublas_grouped_mapping.h"
#include "kernels/grouped_gemm/cublas_library.h"
#include "kernels/grouped_gemm/cuda_kernel_rows.h"

namespace assay {
namespace {

constexpr std::size_t kWorkspaceBytes = 32u << 20;  // as cuBLASLt is given

struct Types {
  cudaDataType_t element;
  cublasComputeType_t compute;
};

// Accumulation in fp32 throughout.  Only tf32 may round fp32 inputs: a plain COMPUTE_32F never does.
Types types_of(DType dtype) {
  switch (dtype) {
    case DType::bf16:
      return {CUDA_R_16BF, CUBLAS_COMPUTE_32F};
    case DType::f16:
      return {CUDA_R_16F, CUBLAS_COMPUTE_32F};
    case DType::f32:
      return {CUDA_R_32F, CUBLAS_COMPUTE_32F};
    case DType::tf32:
      return {CUDA_R_32F, CUBLAS_COMPUTE_32F_FAST_TF32};
    default:
      throw std::runtime_error(std::string("cublas_grouped has no ") + name(dtype));
  }
}

class CublasGrouped final : public GroupedGemmOperation {
 public:
  CublasGrouped(const CublasLibrary& library, const GroupedGemmProblem& problem,
                const std::vector<GroupedGemmBuffers>& sets, Stream stream)
      : library_(library),
        problem_(problem),
        types_(types_of(problem.dtype)),
        mapping_(cublas_grouped_mapping(problem)),
        alpha_(std::size_t(mapping_.groups()), 1.0f),
        beta_(alpha_.size(), problem.pass == GroupedPass::wgrad ? 1.0f : 0.0f),
        transpose_a_(alpha_.size(), mapping_.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N),
        transpose_b_(alpha_.size(), mapping_.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N),
        handle_(nullptr, library.destroy),
        workspace_(device_memory(kWorkspaceBytes)) {
    cublasHandle_t handle = nullptr;
    library_.check(library_.create(&handle), "cublasCreate");
    handle_.reset(handle);
    use_stream(stream);
    for (const GroupedGemmBuffers& set : sets) pointers_.emplace(set.d, upload_pointers(set));
  }

  void launch(const GroupedGemmBuffers& buffers, Stream stream) override {
    if (mapping_.order.empty()) return;
    if (stream != stream_) use_stream(stream);
    const auto* pointers = static_cast<void* const*>(pointers_.at(buffers.d).get());
    const std::size_t count = mapping_.order.size();
    const CublasGroupedMapping& s = mapping_;
    library_.check(
        library_.gemm_grouped(handle_.get(), transpose_a_.data(), transpose_b_.data(), s.m.data(), s.n.data(),
                              s.k.data(), alpha_.data(), pointers, types_.element, s.lda.data(), pointers + count,
                              types_.element, s.ldb.data(), beta_.data(), pointers + 2 * count, types_.element,
                              s.ldc.data(), s.groups(), s.group_size.data(), types_.compute),
        "cublasGemmGroupedBatchedEx");
  }

  std::string description() const override {
    int version = 0;
    library_.check(library_.get_version(handle_.get(), &version), "cublasGetVersion");
    return "cuBLAS " + std::to_string(version) + ", " + std::to_string(mapping_.order.size()) + " problems in " +
           std::to_string(mapping_.groups()) + " groups of equal shape";
  }

 private:
  /// Setting a stream takes the workspace away again.
  void use_stream(Stream stream) {
    library_.check(library_.set_stream(handle_.get(), stream), "cublasSetStream");
    library_.check(library_.set_workspace(handle_.get(), workspace_.get(), kWorkspaceBytes), "cublasSetWorkspace");
    stream_ = stream;
  }

  DeviceMemory upload_pointers(const GroupedGemmBuffers& set) const {
    return to_device(cublas_grouped_pointers(problem_, mapping_, set));
  }

  const CublasLibrary& library_;
  GroupedGemmProblem problem_;
  Types types_;
  CublasGroupedMapping mapping_;
  std::vector<float> alpha_, beta_;
  std::vector<cublasOperation_t> transpose_a_, transpose_b_;
  std::unique_ptr<std::remove_pointer_t<cublasHandle_t>, decltype(&cublasDestroy_v2)> handle_;
  DeviceMemory workspace_;
  Stream stream_ = nullptr;
  std::map<const void*, DeviceMemory> pointers_;  // of each buffer set, by its d
};

Support supports(const GroupedGemmProblem& problem, const Target& target) {
  if (problem.dtype == DType::bf16 || problem.dtype == DType::f16) {
    if (problem.pass == GroupedPass::wgrad)
      return Support::no("cuBLAS's grouped call stores in the type of its operands: no fp32 sums of 16-bit products");
    if (problem.dtype == DType::bf16 && target.compute_capability < 80)
      return Support::no("needs compute capability 8.0 or later for bf16");
  }
  if (std::string reason = reason_cublas_extents_unfit(problem); !reason.empty()) return {reason};
  if (std::string reason = reason_cublas_alignment_unfit(problem); !reason.empty()) return {reason};
  std::string reason;
  cublas_library(reason);
  return {reason};
}

}  // namespace

GroupedGemmKernel cublas_grouped_row() {
  GroupedGemmKernel row;
  row.name = "cublas_grouped";
  row.device = Device::gpu;
  row.vendor = true;
  row.dtypes = {DType::f32, DType::tf32, DType::bf16, DType::f16};
  row.supports = supports;
  row.prepare = [](const GroupedGemmProblem& problem, const Target&, const std::vector<GroupedGemmBuffers>& sets,
                   Stream stream) -> std::unique_ptr<GroupedGemmOperation> {
    std::string reason;
    const CublasLibrary* library = cublas_library(reason);
    if (!library) throw std::runtime_error(reason);
    return std::make_unique<CublasGrouped>(*library, problem, sets, stream);
  };
  return row;
}

}  // namespace assay
