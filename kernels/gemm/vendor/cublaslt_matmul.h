// One GEMM described to cuBLASLt, the algorithms its heuristic proposes for it, and its launch with one of them.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels/common/device_memory.h"
#include "kernels/gemm/gemm.h"
#include "kernels/gemm/vendor/cublaslt_library.h"
#include "kernels/gemm/vendor/cublaslt_mapping.h"

namespace assay {

class CublasLtMatmul {
 public:
  /// `sets` decide the alignment that algorithms may count on.  `fast_accumulation`: of 8-bit products on Hopper and
  /// Ada, all in the tensor core's own few bits; else moved to fp32 now and then.
  CublasLtMatmul(const CublasLtLibrary&, const GemmProblem&, const std::vector<GemmBuffers>& sets,
                 bool fast_accumulation = false);

  /// At most `count` algorithms that need no more than our workspace, best guess first; throws Unsupported if none.
  std::vector<cublasLtMatmulAlgo_t> heuristics(int count) const;

  void launch(const cublasLtMatmulAlgo_t&, const GemmBuffers&, Stream) const;

  /// "algorithm 66, tile 23, stages 35, split-k 1, ..." as the library numbers them.
  std::string describe(const cublasLtMatmulAlgo_t&) const;

 private:
  /// Destroys a cuBLASLt object by the library's own function.
  template <class Handle>
  using Owned = std::unique_ptr<std::remove_pointer_t<Handle>, cublasStatus_t (*)(Handle)>;

  void make_description(const CublasLtMapping&, bool fast_accumulation);
  void set_scale_modes(const CublasLtScales&);
  void set_scale_pointers(const CublasLtScales&) const;
  template <class Value>
  void set(cublasLtMatmulDescAttributes_t attribute, const Value& value) const {
    lt_.check(lt_.desc_set(description_.get(), attribute, &value, sizeof value), "cublasLtMatmulDescSetAttribute");
  }
  Owned<cublasLtMatrixLayout_t> make_layout(cudaDataType_t, const CublasLtMapping::Matrix&) const;
  void make_preference(const GemmProblem&, const std::vector<GemmBuffers>&);
  std::optional<std::uint32_t> config(const cublasLtMatmulAlgo_t&, cublasLtMatmulAlgoConfigAttributes_t) const;
  bool rounds_inputs(const cublasLtMatmulAlgo_t&) const;

  const CublasLtLibrary& lt_;
  GemmProblem problem_;
  Owned<cublasLtHandle_t> handle_;
  Owned<cublasLtMatmulDesc_t> description_;
  Owned<cublasLtMatrixLayout_t> first_, second_, result_;
  Owned<cublasLtMatmulPreference_t> preference_;
  DeviceMemory workspace_;
  float alpha_ = 1;
  bool fast_accumulation_;
};

}  // namespace assay
