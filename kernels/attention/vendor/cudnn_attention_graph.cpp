// The order of operations and of their operands is the library's, found with version 9.19 (and documented, in other
// words, by NVIDIA's cudnn-frontend): another order of the same mathematics finds no engine.
#include "kernels/attention/vendor/cudnn_attention_graph.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <string>
#include <utility>

namespace assay {
namespace {

using Tensor = CudnnGraph::Tensor;

constexpr cudnnDataType_t kF32 = CUDNN_DATA_FLOAT, kI32 = CUDNN_DATA_INT32, kBool = CUDNN_DATA_BOOLEAN;

cudnnDataType_t data_type(DType dtype) { return dtype == DType::bf16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_HALF; }

/// [batch, heads, rows, columns] of memory laid out [batch, rows, heads, columns], as our tensors are.
CudnnShape rows_of_heads(std::int64_t batch, std::int64_t heads, std::int64_t rows, std::int64_t columns) {
  return {{batch, heads, rows, columns}, {rows * heads * columns, columns, heads * columns, 1}};
}

CudnnShape transposed(CudnnShape shape) {
  std::swap(shape.size[2], shape.size[3]);
  std::swap(shape.stride[2], shape.stride[3]);
  return shape;
}

CudnnShape packed(std::int64_t batch, std::int64_t heads, std::int64_t rows, std::int64_t columns) {
  return {{batch, heads, rows, columns}, {heads * rows * columns, rows * columns, columns, 1}};
}

/// Builds one problem's graph: the shapes, and the steps that forward and backward share.
class Builder {
 public:
  Builder(const CudnnLibrary& cudnn, const CudnnDevice& device, const AttentionProblem& problem)
      : graph_(cudnn, device),
        p_(problem),
        type_(data_type(problem.dtype)),
        q_shape_(rows_of_heads(p_.batch, p_.heads, p_.seq_q, p_.head_dim)),
        o_shape_(rows_of_heads(p_.batch, p_.heads, p_.seq_q, p_.value_dim())),
        k_shape_(rows_of_heads(p_.batch, p_.kv_heads, p_.seq_kv, p_.head_dim)),
        v_shape_(rows_of_heads(p_.batch, p_.kv_heads, p_.seq_kv, p_.value_dim())),
        scores_shape_(packed(p_.batch, p_.heads, p_.seq_q, p_.seq_kv)),
        row_shape_(packed(p_.batch, p_.heads, p_.seq_q, 1)) {}

  CudnnGraph forward();
  CudnnGraph backward();

 private:
  Tensor in_memory(CudnnOperand operand, cudnnDataType_t type, const CudnnShape& shape) {
    return graph_.in_memory(static_cast<Tensor>(operand), type, shape);
  }
  Tensor scores() { return graph_.inside(kF32, scores_shape_); }
  Tensor with(cudnnPointwiseMode_t kind, Tensor x) {
    const Tensor result = scores();
    graph_.pointwise(kind, kF32, x, result);
    return result;
  }
  Tensor with(cudnnPointwiseMode_t kind, Tensor x, Tensor y) {
    const Tensor result = scores();
    graph_.pointwise(kind, kF32, x, y, result);
    return result;
  }
  Tensor index(std::int64_t axis, Tensor like) {
    const Tensor result = graph_.inside(kI32, scores_shape_);
    graph_.index(axis, kI32, like, result);
    return result;
  }
  Tensor shifted(cudnnPointwiseMode_t kind, Tensor index, std::int64_t by) {
    const Tensor result = graph_.inside(kI32, scores_shape_);
    graph_.pointwise(kind, kI32, index, graph_.constant(static_cast<std::int32_t>(by)), result);
    return result;
  }
  Tensor row_sum(Tensor x, cudnnReduceTensorOp_t kind = CUDNN_REDUCE_TENSOR_ADD) {
    const Tensor result = graph_.inside(kF32, row_shape_);
    graph_.reduce(kind, x, result);
    return result;
  }
  Tensor masked(Tensor x);
  Tensor kept_where(Tensor x, cudnnPointwiseMode_t comparison, Tensor a, Tensor b);
  /// x^T in the problem's type, [batch, heads, seq_kv, seq_q].
  Tensor transposed_scores(Tensor x);
  /// x^T y, summed over the query heads of each key-value head.
  void key_gradient(Tensor x, Tensor y, CudnnOperand, const CudnnShape&);

  CudnnGraph graph_;
  const AttentionProblem& p_;
  const cudnnDataType_t type_;
  const CudnnShape q_shape_, o_shape_, k_shape_, v_shape_, scores_shape_, row_shape_;
};

Tensor Builder::kept_where(Tensor x, cudnnPointwiseMode_t comparison, Tensor a, Tensor b) {
  const Tensor keep = graph_.inside(kBool, scores_shape_), result = scores();
  graph_.pointwise(comparison, kBool, a, b, keep);
  graph_.select(keep, x, graph_.constant(-std::numeric_limits<float>::infinity()), result);
  return result;
}

Tensor Builder::masked(Tensor x) {
  if (!p_.causal) return x;
  Tensor row = index(2, x);
  const Tensor column = index(3, x);
  if (p_.seq_q != p_.seq_kv)  // in two steps, as where the lengths are tensors
    row = shifted(CUDNN_POINTWISE_SUB, shifted(CUDNN_POINTWISE_ADD, row, p_.seq_kv), p_.seq_q);
  x = kept_where(x, CUDNN_POINTWISE_CMP_GE, row, column);
  if (p_.window == 0) return x;
  // column + window - (seq_kv - seq_q) > row, from indices of its own and with a sum in fp32: again the library's form
  const Tensor own_row = graph_.inside(kF32, scores_shape_), own_column = graph_.inside(kF32, scores_shape_);
  graph_.index(2, kF32, x, own_row);
  graph_.index(3, kF32, x, own_column);
  const Tensor reach =
      with(CUDNN_POINTWISE_ADD, own_column, graph_.constant(static_cast<float>(p_.window - p_.seq_kv + p_.seq_q)));
  return kept_where(x, CUDNN_POINTWISE_CMP_GT, reach, own_row);
}

CudnnGraph Builder::forward() {
  const Tensor q = in_memory(CudnnOperand::q, type_, q_shape_);
  const Tensor k = in_memory(CudnnOperand::k, type_, transposed(k_shape_));
  const Tensor v = in_memory(CudnnOperand::v, type_, v_shape_);
  const Tensor o = in_memory(CudnnOperand::o, type_, o_shape_);
  const Tensor lse = in_memory(CudnnOperand::lse, kF32, row_shape_);

  Tensor s = scores();
  graph_.matmul(q, k, s);
  s = masked(with(CUDNN_POINTWISE_MUL, s, graph_.constant(static_cast<float>(p_.scale()))));
  const Tensor maximum = row_sum(s, CUDNN_REDUCE_TENSOR_MAX);
  const Tensor e = with(CUDNN_POINTWISE_EXP, with(CUDNN_POINTWISE_SUB, s, maximum));
  const Tensor sum = row_sum(e);
  const Tensor log_sum = graph_.inside(kF32, row_shape_);
  graph_.pointwise(CUDNN_POINTWISE_LOG, kF32, sum, log_sum);
  graph_.pointwise(CUDNN_POINTWISE_ADD, kF32, maximum, log_sum, lse);
  const Tensor p = graph_.inside(type_, scores_shape_);
  graph_.pointwise(CUDNN_POINTWISE_DIV, kF32, e, sum, p);
  graph_.matmul(p, v, o);
  graph_.finalize();
  return std::move(graph_);
}

Tensor Builder::transposed_scores(Tensor x) {
  const Tensor result = graph_.inside(type_, transposed(scores_shape_));
  graph_.reshape(x, result);
  return result;
}

void Builder::key_gradient(Tensor x, Tensor y, CudnnOperand operand, const CudnnShape& shape) {
  const Tensor gradient = in_memory(operand, type_, shape), x_transposed = transposed_scores(x);
  if (p_.group() == 1) {
    graph_.matmul(x_transposed, y, gradient);
    return;
  }
  const Tensor per_head = graph_.inside(type_, packed(p_.batch, p_.heads, p_.seq_kv, shape.size[3]));
  graph_.matmul(x_transposed, y, per_head);
  graph_.reduce(CUDNN_REDUCE_TENSOR_ADD, per_head, gradient);
}

CudnnGraph Builder::backward() {
  const Tensor q = in_memory(CudnnOperand::q, type_, q_shape_);
  const Tensor k = in_memory(CudnnOperand::k, type_, transposed(k_shape_));
  const Tensor v = in_memory(CudnnOperand::v, type_, transposed(v_shape_));
  const Tensor o = in_memory(CudnnOperand::o, type_, o_shape_);
  const Tensor d_o = in_memory(CudnnOperand::d_o, type_, o_shape_);
  const Tensor lse = in_memory(CudnnOperand::lse, kF32, row_shape_);
  const Tensor delta = in_memory(CudnnOperand::delta, kF32, row_shape_);
  const Tensor dq = in_memory(CudnnOperand::dq, type_, q_shape_);

  const Tensor product = graph_.inside(kF32, packed(p_.batch, p_.heads, p_.seq_q, p_.value_dim()));
  graph_.pointwise(CUDNN_POINTWISE_MUL, kF32, d_o, o, product);
  graph_.pointwise(CUDNN_POINTWISE_MUL, kF32, row_sum(product), graph_.constant(1.0f), delta);

  const Tensor scale = graph_.constant(static_cast<float>(p_.scale()));
  const Tensor s = scores();
  graph_.matmul(q, k, s);
  const Tensor p =
      with(CUDNN_POINTWISE_EXP, masked(with(CUDNN_POINTWISE_SUB, with(CUDNN_POINTWISE_MUL, s, scale), lse)));
  key_gradient(p, d_o, CudnnOperand::dv, v_shape_);

  const Tensor dp = scores();
  graph_.matmul(d_o, v, dp);
  const Tensor ds =
      with(CUDNN_POINTWISE_MUL, with(CUDNN_POINTWISE_MUL, with(CUDNN_POINTWISE_SUB, dp, delta), p), scale);
  key_gradient(ds, q, CudnnOperand::dk, k_shape_);

  const Tensor k_again = graph_.inside(type_, k_shape_);
  graph_.reshape(k, k_again);
  if (p_.deterministic) {
    graph_.matmul(ds, k_again, dq);
  } else {
    const Tensor sum = in_memory(CudnnOperand::dq_sum, kF32, packed(p_.batch, p_.heads, p_.seq_q, p_.head_dim));
    graph_.matmul(ds, k_again, sum);
    graph_.pointwise(CUDNN_POINTWISE_IDENTITY, kF32, sum, dq);
  }
  graph_.finalize();
  return std::move(graph_);
}

}  // namespace

CudnnGraph cudnn_attention_graph(const CudnnLibrary& cudnn, const CudnnDevice& device, const AttentionProblem& p) {
  Builder builder(cudnn, device, p);
  return p.pass == AttentionPass::forward ? builder.forward() : builder.backward();
}

std::size_t cudnn_delta_bytes(const AttentionProblem& p) {
  return p.pass == AttentionPass::backward ? static_cast<std::size_t>(p.lse_elements()) * sizeof(float) : 0;
}

std::size_t cudnn_dq_sum_bytes(const AttentionProblem& p) {
  return p.pass == AttentionPass::backward && !p.deterministic
             ? static_cast<std::size_t>(p.q_elements()) * sizeof(float)
             : 0;
}

namespace {

/// Widest heads of backward, of q and k and of v and o; forward takes any, in multiples of kWidthStep.
struct BackwardWidths {
  int first_capability, last_capability;
  std::int64_t head_dim, value_dim;
  bool exact;  // a kernel for these widths alone
  std::size_t since;
};
constexpr BackwardWidths kBackwardWidths[] = {
    {80, 89, 128, 128, false, 0},  {90, 99, 256, 256, false, 0},      {100, 109, 128, 128, false, 0},
    {100, 109, 192, 128, true, 0}, {100, 109, 256, 256, true, 92300}, {120, 129, 128, 128, false, 0},
};
constexpr std::int64_t kWidthStep = 8;

bool backward_takes_widths(const AttentionProblem& p, int capability, std::size_t version) {
  return std::any_of(std::begin(kBackwardWidths), std::end(kBackwardWidths), [&](const BackwardWidths& row) {
    if (capability < row.first_capability || capability > row.last_capability || version < row.since) return false;
    return row.exact ? p.head_dim == row.head_dim && p.value_dim() == row.value_dim
                     : p.head_dim <= row.head_dim && p.value_dim() <= row.value_dim;
  });
}

/// Faults of single versions, from the notes of NVIDIA's cudnn-frontend.
std::string fault_of_version(const AttentionProblem& p, std::size_t version) {
  if (version == 91000 || version == 91001) return "cuDNN 9.10.0 and 9.10.1 compute wrong attention";
  if (p.pass == AttentionPass::backward && version <= 91500 && p.seq_kv % 128 != 0)
    return "cuDNN until 9.15 needs its padding mask where seq_kv is no multiple of 128";
  if (p.window > 0 && version < 91002) return "cuDNN before 9.10.2 has no sliding window with this mask";
  return {};
}

}  // namespace

Support cudnn_attention_support(const AttentionProblem& p, int capability, std::size_t version) {
  if (capability < 80) return Support::no("cuDNN has fused attention from compute capability 8.0 on");
  AttentionFeatures features;
  features.window = features.value_dim = features.backward = true;
  // On Blackwell it takes an engine's setting that the heuristic does not propose.
  features.deterministic = capability < 100;
  if (Support support = supports_features(p, features); !support.ok()) return support;
  if (p.batch < 1 || p.seq_q < 1 || p.seq_kv < 1) return Support::no("cuDNN takes no empty sequences");
  if (p.seq_q == 1 && p.seq_kv == 1) return Support::no("cuDNN takes no single query with a single key");
  if (p.head_dim % kWidthStep != 0 || p.value_dim() % kWidthStep != 0)
    return Support::no("cuDNN takes heads in multiples of 8");
  if (p.causal && p.seq_q > p.seq_kv)
    return Support::no("cuDNN needs its padding mask where a causal mask meets more queries than keys");
  if (p.pass == AttentionPass::backward && !backward_takes_widths(p, capability, version))
    return Support::no("cuDNN has no backward pass for heads of " + std::to_string(p.head_dim) + " and values of " +
                       std::to_string(p.value_dim()) + " on compute capability " + std::to_string(capability / 10) +
                       "." + std::to_string(capability % 10));
  return Support{fault_of_version(p, version)};
}

}  // namespace assay
