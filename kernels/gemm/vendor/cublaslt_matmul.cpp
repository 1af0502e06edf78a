#include "kernels/gemm/vendor/cublaslt_matmul.h"

#include <algorithm>
#include <stdexcept>

#include "kernels/common/cuda_check.h"
#include "kernels/gemm/gemm_scaling.h"

namespace assay {
namespace {

// What NVIDIA recommends for Hopper and later; with less, some shapes lose most of their speed.
constexpr std::size_t kWorkspaceBytes = 32u << 20;

cudaDataType_t cuda_type(DType dtype) {
  switch (dtype) {
    case DType::bf16:
      return CUDA_R_16BF;
    case DType::f16:
      return CUDA_R_16F;
    case DType::f32:
    case DType::tf32:
      return CUDA_R_32F;
    case DType::e4m3:
      return CUDA_R_8F_E4M3;
    case DType::e5m2:
      return CUDA_R_8F_E5M2;
    case DType::e2m1:
#if ASSAY_CUBLASLT_HAS_BLOCK_SCALES
      return CUDA_R_4F_E2M1;
#else
      break;
#endif
  }
  throw std::runtime_error("cuBLASLt: unknown element type");
}

// Accumulation in fp32 throughout.  Only tf32 may round fp32 inputs: a plain COMPUTE_32F never does.
cublasComputeType_t compute_type(DType dtype) {
  return dtype == DType::tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
}

/// The largest power of two up to 256 (cudaMalloc's alignment) that divides every address.
template <class Address>
std::uint32_t common_alignment(const std::vector<GemmBuffers>& sets, Address address) {
  std::uintptr_t bits = 256;
  for (const GemmBuffers& set : sets) bits |= reinterpret_cast<std::uintptr_t>(address(set));
  return static_cast<std::uint32_t>(bits & (~bits + 1));
}

float from_device(const float* address) {
  float value = 0;
  ASSAY_CHECK_CUDA(cudaMemcpy(&value, address, sizeof value, cudaMemcpyDeviceToHost));
  return value;
}

}  // namespace

CublasLtMatmul::CublasLtMatmul(const CublasLtLibrary& lt, const GemmProblem& problem,
                               const std::vector<GemmBuffers>& sets, bool fast_accumulation)
    : lt_(lt),
      problem_(problem),
      handle_(nullptr, lt.destroy),
      description_(nullptr, lt.desc_destroy),
      first_(nullptr, lt.layout_destroy),
      second_(nullptr, lt.layout_destroy),
      result_(nullptr, lt.layout_destroy),
      preference_(nullptr, lt.preference_destroy),
      fast_accumulation_(fast_accumulation) {
  cublasLtHandle_t handle = nullptr;
  lt_.check(lt_.create(&handle), "cublasLtCreate");
  handle_.reset(handle);

  const CublasLtMapping mapping = cublaslt_mapping(problem);
  make_description(mapping, fast_accumulation);
  const CublasLtScales scales = cublaslt_scales(problem.scaling, sets.front());
  set_scale_modes(scales);
  set_scale_pointers(scales);  // the heuristic may look whether there are any
  if (scales.tensor_scales_in_alpha)
    alpha_ = from_device(sets.front().a_tensor_scale) * from_device(sets.front().b_tensor_scale);

  first_ = make_layout(cuda_type(problem.b_dtype()), mapping.first);
  second_ = make_layout(cuda_type(problem.a_dtype()), mapping.second);
  result_ = make_layout(cuda_type(problem.output()), mapping.result);
  make_preference(problem, sets);
  workspace_ = device_memory(kWorkspaceBytes);
}

void CublasLtMatmul::make_description(const CublasLtMapping& mapping, bool fast_accumulation) {
  cublasLtMatmulDesc_t description = nullptr;
  lt_.check(lt_.desc_create(&description, compute_type(problem_.dtype), CUDA_R_32F), "cublasLtMatmulDescCreate");
  description_.reset(description);
  const auto operation = [](bool transposed) { return transposed ? CUBLAS_OP_T : CUBLAS_OP_N; };
  set(CUBLASLT_MATMUL_DESC_TRANSA, operation(mapping.first.transposed));
  set(CUBLASLT_MATMUL_DESC_TRANSB, operation(mapping.second.transposed));
  if (fast_accumulation) set(CUBLASLT_MATMUL_DESC_FAST_ACCUM, std::int8_t{1});
}

#if ASSAY_CUBLASLT_HAS_BLOCK_SCALES
namespace {

cublasLtMatmulMatrixScale_t scale_mode(CublasLtScale scale) {
  switch (scale) {
    case CublasLtScale::none:
    case CublasLtScale::scalar_f32:
      return CUBLASLT_MATMUL_MATRIX_SCALE_SCALAR_32F;
    case CublasLtScale::vector_32_e8m0:
      return CUBLASLT_MATMUL_MATRIX_SCALE_VEC32_UE8M0;
    case CublasLtScale::vector_16_e4m3:
      return CUBLASLT_MATMUL_MATRIX_SCALE_VEC16_UE4M3;
#if ASSAY_CUBLASLT_HAS_128_SCALES
    case CublasLtScale::vector_128_f32:
      return CUBLASLT_MATMUL_MATRIX_SCALE_VEC128_32F;
    case CublasLtScale::block_128x128_f32:
      return CUBLASLT_MATMUL_MATRIX_SCALE_BLK128x128_32F;
#else
    case CublasLtScale::vector_128_f32:
    case CublasLtScale::block_128x128_f32:
      break;
#endif
  }
  throw Unsupported("this build's cuBLASLt headers have no such scale factors");
}

}  // namespace

void CublasLtMatmul::set_scale_modes(const CublasLtScales& scales) {
  if (!has_block_scales(problem_.scaling)) return;  // scalars are the default
  set(CUBLASLT_MATMUL_DESC_A_SCALE_MODE, scale_mode(scales.first));
  set(CUBLASLT_MATMUL_DESC_B_SCALE_MODE, scale_mode(scales.second));
}
#else
void CublasLtMatmul::set_scale_modes(const CublasLtScales&) {
  if (has_block_scales(problem_.scaling))
    throw Unsupported("this build's cuBLASLt headers have no block scale factors");
}
#endif

void CublasLtMatmul::set_scale_pointers(const CublasLtScales& scales) const {
  if (scales.first_factors) set(CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, scales.first_factors);
  if (scales.second_factors) set(CUBLASLT_MATMUL_DESC_B_SCALE_POINTER, scales.second_factors);
}

CublasLtMatmul::Owned<cublasLtMatrixLayout_t> CublasLtMatmul::make_layout(cudaDataType_t type,
                                                                          const CublasLtMapping::Matrix& m) const {
  cublasLtMatrixLayout_t layout = nullptr;
  lt_.check(lt_.layout_create(&layout, type, static_cast<std::uint64_t>(m.rows), static_cast<std::uint64_t>(m.columns),
                              m.leading_dimension),
            "cublasLtMatrixLayoutCreate");
  return {layout, lt_.layout_destroy};
}

void CublasLtMatmul::make_preference(const GemmProblem& problem, const std::vector<GemmBuffers>& sets) {
  cublasLtMatmulPreference_t preference = nullptr;
  lt_.check(lt_.preference_create(&preference), "cublasLtMatmulPreferenceCreate");
  preference_.reset(preference);
  const auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
    lt_.check(lt_.preference_set(preference, attribute, &value, sizeof value), "cublasLtMatmulPreferenceSetAttribute");
  };
  set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{kWorkspaceBytes});
  // Split-k may not round partial sums to 16 bits: the contract is accumulation in fp32.
  const std::uint32_t in_place = problem.output() == DType::f32 ? CUBLASLT_REDUCTION_SCHEME_INPLACE : 0;
  set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
      static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE | in_place));
  const std::uint32_t d = common_alignment(sets, [](const GemmBuffers& s) { return s.d; });
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, common_alignment(sets, [](const GemmBuffers& s) { return s.b; }));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, common_alignment(sets, [](const GemmBuffers& s) { return s.a; }));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, d);
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, d);
}

std::vector<cublasLtMatmulAlgo_t> CublasLtMatmul::heuristics(int count) const {
  std::vector<cublasLtMatmulHeuristicResult_t> results(static_cast<std::size_t>(count));
  int returned = 0;
  const cublasStatus_t status =
      lt_.get_heuristic(handle_.get(), description_.get(), first_.get(), second_.get(), result_.get(), result_.get(),
                        preference_.get(), count, results.data(), &returned);
  if (status != CUBLAS_STATUS_NOT_SUPPORTED) lt_.check(status, "cublasLtMatmulAlgoGetHeuristic");
  std::vector<cublasLtMatmulAlgo_t> algorithms;
  for (int i = 0; i < returned; ++i) {
    const auto& result = results[static_cast<std::size_t>(i)];
    if (result.state == CUBLAS_STATUS_SUCCESS && !(problem_.dtype == DType::f32 && rounds_inputs(result.algo)))
      algorithms.push_back(result.algo);
  }
  if (algorithms.empty()) throw Unsupported("cuBLASLt has no algorithm for this problem");
  return algorithms;
}

void CublasLtMatmul::launch(const cublasLtMatmulAlgo_t& algorithm, const GemmBuffers& buffers, Stream stream) const {
  const float beta = problem_.accumulates() ? 1 : 0;
  set_scale_pointers(cublaslt_scales(problem_.scaling, buffers));
  lt_.check(lt_.matmul(handle_.get(), description_.get(), &alpha_, buffers.b, first_.get(), buffers.a, second_.get(),
                       &beta, buffers.d, result_.get(), buffers.d, result_.get(), &algorithm, workspace_.get(),
                       kWorkspaceBytes, stream),
            "cublasLtMatmul");
}

/// Null where the library does not say: older ones know fewer attributes, newer ones have algorithms that lack some.
std::optional<std::uint32_t> CublasLtMatmul::config(const cublasLtMatmulAlgo_t& algorithm,
                                                    cublasLtMatmulAlgoConfigAttributes_t attribute) const {
  std::uint32_t value = 0;  // the cluster shape is a uint16_t: its bytes are the low ones
  const std::size_t bytes = attribute == CUBLASLT_ALGO_CONFIG_CLUSTER_SHAPE_ID ? 2 : 4;
  if (lt_.config_get(&algorithm, attribute, &value, bytes, nullptr) != CUBLAS_STATUS_SUCCESS) return std::nullopt;
  return value;
}

/// Whether fp32 inputs are cut to tf32, which an environment variable (NVIDIA_TF32_OVERRIDE) can bring about.
bool CublasLtMatmul::rounds_inputs(const cublasLtMatmulAlgo_t& algorithm) const {
  cublasLtNumericalImplFlags_t flags = 0;
  const cublasStatus_t status =
      lt_.capability_get(&algorithm, CUBLASLT_ALGO_CAP_NUMERICAL_IMPL_FLAGS, &flags, sizeof flags, nullptr);
  return status == CUBLAS_STATUS_SUCCESS && (flags & CUBLASLT_NUMERICAL_IMPL_FLAGS_INPUT_TF32) != 0;
}

std::string CublasLtMatmul::describe(const cublasLtMatmulAlgo_t& algorithm) const {
  struct Field {
    const char* name;
    cublasLtMatmulAlgoConfigAttributes_t attribute;
  };
  static constexpr Field kFields[] = {
      {"algorithm", CUBLASLT_ALGO_CONFIG_ID},
      {"tile", CUBLASLT_ALGO_CONFIG_TILE_ID},
      {"stages", CUBLASLT_ALGO_CONFIG_STAGES_ID},
      {"split-k", CUBLASLT_ALGO_CONFIG_SPLITK_NUM},
      {"cluster", CUBLASLT_ALGO_CONFIG_CLUSTER_SHAPE_ID},
  };
  std::string text = "cuBLASLt " + std::to_string(lt_.get_version());
  for (const Field& field : kFields)
    if (const auto value = config(algorithm, field.attribute))
      text += std::string(", ") + field.name + " " + std::to_string(*value);
  if (problem_.scaling == GemmScaling::tensor)
    text += fast_accumulation_ ? ", fast accumulation" : ", accumulation moved to fp32";
  if (problem_.scaling == GemmScaling::nv) text += ", tensor scales read once, into alpha";
  return text;
}

}  // namespace assay
