#include "kernels/layer/cuda/elementwise.h"

namespace assay {
namespace {

/// Names of an operation's instances: vectors, vectors with rows apart, an element at a time; by type.
struct Names {
  const char* vectors[2];
  const char* apart[2];
  const char* any[2];
};
#define ASSAY_NAMES(Operation)                                                             \
  {                                                                                        \
    {"elementwise<assay::layer_cuda::F32, assay::layer_cuda::" #Operation ", false>",      \
     "elementwise<assay::layer_cuda::Bf16, assay::layer_cuda::" #Operation ", false>"},    \
        {"elementwise<assay::layer_cuda::F32, assay::layer_cuda::" #Operation ", true>",   \
         "elementwise<assay::layer_cuda::Bf16, assay::layer_cuda::" #Operation ", true>"}, \
    {                                                                                      \
      "elementwise_any<assay::layer_cuda::F32, assay::layer_cuda::" #Operation ">",        \
          "elementwise_any<assay::layer_cuda::Bf16, assay::layer_cuda::" #Operation ">"    \
    }                                                                                      \
  }
constexpr Names kSwiglu[2] = {ASSAY_NAMES(SwigluForward), ASSAY_NAMES(SwigluBackward)};
constexpr Names kGelu[2] = {ASSAY_NAMES(GeluForward), ASSAY_NAMES(GeluBackward)};
constexpr Names kResidualAdd = ASSAY_NAMES(ResidualAdd);
#undef ASSAY_NAMES

/// `stride` from row to row where rows are apart.
ElementwisePlans plans(const Names& names, DType dtype, std::int64_t rows, std::int64_t columns, std::int64_t stride,
                       ElementwiseParams params) {
  params.elements = rows * columns, params.columns = columns, params.stride = stride;
  if (params.elements == 0) return {};
  const int bf16 = dtype == DType::bf16 ? 1 : 0;
  const std::int64_t per_vector = kVectorBytes / std::int64_t(size_bytes(dtype));
  int inputs = 0;
  for (const void* array : params.in) inputs += array != nullptr ? 1 : 0;
  const bool apart = stride != columns;
  const bool fits = aligned_vectors({params.in[0], params.in[1], params.in[2], params.out[0], params.out[1]}) &&
                    !(apart && (columns % per_vector != 0 || stride % per_vector != 0));
  LaunchPlan<ElementwiseParams> plan;
  plan.block.x = kElementwiseThreads;
  if (!fits) {
    plan.kernel = names.any[bf16];
    plan.grid.x = unsigned(ceil_div(params.elements, kElementwiseThreads));
  } else {
    plan.kernel = apart ? names.apart[bf16] : names.vectors[bf16];
    const std::int64_t tile = std::int64_t(kElementwiseThreads) * elementwise_unroll(inputs);
    plan.grid.x = unsigned(ceil_div(ceil_div(params.elements, per_vector), tile));
    if (apart) {
      params.vectors_of_row = FastDivide(std::uint32_t(columns / per_vector));
      params.extra_vectors_a_row = (stride - columns) / per_vector;
    }
  }
  plan.params = params;
  return {plan};
}

}  // namespace

ElementwisePlans swiglu_plans(const SwigluProblem& p, const SwigluBuffers& b) {
  ElementwiseParams params;
  params.in[0] = b.gate, params.in[1] = b.up;
  const bool backward = p.pass == LayerPass::backward;
  if (backward) params.in[2] = b.dy;
  params.out[0] = backward ? b.d_gate : b.y;
  params.out[1] = backward ? b.d_up : nullptr;
  return plans(kSwiglu[backward], p.dtype, p.tokens, p.ffn, p.input_stride(), params);
}

ElementwisePlans gelu_plans(const GeluProblem& p, const GeluBuffers& b) {
  ElementwiseParams params;
  const bool backward = p.pass == LayerPass::backward;
  params.in[0] = b.x;
  if (backward) params.in[1] = b.dy;
  params.out[0] = backward ? b.dx : b.y;
  return plans(kGelu[backward], p.dtype, p.tokens, p.ffn, p.ffn, params);
}

ElementwisePlans residual_add_plans(const ResidualAddProblem& p, const ResidualAddBuffers& b) {
  ElementwiseParams params;
  params.in[0] = b.a, params.in[1] = b.b, params.out[0] = b.out;
  return plans(kResidualAdd, p.dtype, p.tokens, p.hidden, p.hidden, params);
}

Support supports_swiglu_cuda(const SwigluProblem& p) {
  if (p.input_stride() != p.ffn && p.elements() > (std::int64_t(1) << 33))  // of 4 or 8 a vector
    return Support::no("rows apart, and more than 2^33 elements");
  return Support::yes();
}

}  // namespace assay
