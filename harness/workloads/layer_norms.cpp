// RMSNorm and LayerNorm, alone or behind the skip connection's addition.
#include "harness/workloads/layer.h"
#include "harness/workloads/layer_frame.h"

namespace assay {
namespace {

/// What both norms read of a case.
template <class Problem>
Problem norm_problem(const Case& point) {
  Problem problem;
  problem.tokens = point.number("tokens");
  problem.hidden = point.number("hidden");
  problem.dtype = point.dtype;
  problem.pass = layer_pass(point);
  problem.residual = point.word_or("residual", "none") == "added";
  return problem;
}

/// The tensors of a norm: `Rows` has its references by the names below.
template <class Problem, class Buffers>
class NormTensors {
 public:
  using Tensor = LayerTensor<Problem, Buffers>;
  explicit NormTensors(const Problem& problem) : p_(problem) {}

  Tensor activation(const char* name, TensorUse use, std::function<void(Buffers&, void*)> bind) const {
    return {{name, use, p_.dtype, p_.tokens, p_.hidden}, std::move(bind)};
  }
  Tensor parameter(const char* name, std::function<void(Buffers&, void*)> bind) const {
    return {{name, TensorUse::input, p_.dtype, 1, p_.hidden}, std::move(bind)};
  }
  /// A statistic that forward writes: `of_row` takes it from a row of the reference.
  template <class OfRow>
  Tensor statistic(const char* name, float* Buffers::*member, OfRow of_row) const {
    return {{name, TensorUse::output, DType::f32, p_.tokens, 1},
            bind_to(member),
            {},
            [of_row](const Problem& p, const Buffers& host, std::int64_t row, std::int64_t) {
              LayerRow one;
              one.add(of_row(p, host, row));
              return one;
            },
            row_work()};
  }
  /// The same where backward reads it: rounded from fp64.
  template <class OfRow>
  Tensor given(const char* name, float* Buffers::*member, OfRow of_row) const {
    return {{name, TensorUse::input, DType::f32, p_.tokens, 1},
            bind_to(member),
            [of_row](const Problem& p, const Buffers& host, void* data) {
              Problem forward = p;
              forward.pass = LayerPass::forward;
              forward.residual = false;  // x is what was normalised
#pragma omp parallel for schedule(static) num_threads(available_threads())
              for (std::int64_t t = 0; t < p.tokens; ++t)
                static_cast<float*>(data)[t] = float(of_row(forward, host, t).value);
            }};
  }
  template <class Reference>
  Tensor result(Tensor tensor, Reference reference) const {
    tensor.reference = [reference](const Problem& p, const Buffers& host, std::int64_t row, std::int64_t) {
      return reference(p, host, row);
    };
    tensor.row_work = row_work();
    return tensor;
  }
  /// A parameter's gradient, column by column.
  template <class Reference>
  Tensor gradient(const char* name, float* Buffers::*member, Reference reference) const {
    return {{name, TensorUse::output, DType::f32, p_.hidden, 1},
            bind_to(member),
            {},
            [reference](const Problem& p, const Buffers& host, std::int64_t column, std::int64_t) {
              LayerRow one;
              one.add(reference(p, host, column));
              return one;
            },
            8 * double(p_.tokens)};  // two elements, strided, each
  }

 private:
  double row_work() const { return kElementWork * double(p_.hidden); }
  Problem p_;
};

// Backward's x is what forward normalised: with `residual` the sum, here numbers like any other.

using Rms = NormTensors<RmsNormProblem, RmsNormBuffers>;
using RmsB = RmsNormBuffers;

LayerElement rms_rstd(const RmsNormProblem& p, const RmsB& host, std::int64_t t) {
  return rms_norm_reference(p, host, t).rstd;
}

std::vector<Rms::Tensor> rms_norm_tensors(const RmsNormProblem& p) {
  const Rms make(p);
  std::vector<Rms::Tensor> tensors = {make.activation("x", TensorUse::input, bind_to(&RmsB::x)),
                                      make.parameter("weight", bind_to(&RmsB::weight))};
  if (p.pass == LayerPass::forward) {
    if (p.residual) {
      tensors.push_back(make.activation("residual", TensorUse::input, bind_to(&RmsB::residual)));
      tensors.push_back(make.result(make.activation("sum", TensorUse::output, bind_to(&RmsB::sum)),
                                    [](const RmsNormProblem& q, const RmsB& host, std::int64_t t) {
                                      return rms_norm_reference(q, host, t).sum;
                                    }));
    }
    tensors.push_back(make.result(
        make.activation("y", TensorUse::output, bind_to(&RmsB::y)),
        [](const RmsNormProblem& q, const RmsB& host, std::int64_t t) { return rms_norm_reference(q, host, t).y; }));
    tensors.push_back(make.statistic("rstd", &RmsB::rstd, rms_rstd));
    return tensors;
  }
  tensors.push_back(make.given("rstd", &RmsB::rstd, rms_rstd));
  tensors.push_back(make.activation("dy", TensorUse::input, bind_to(&RmsB::dy)));
  if (p.residual) tensors.push_back(make.activation("d_sum", TensorUse::input, bind_to(&RmsB::d_sum)));
  tensors.push_back(make.result(make.activation("dx", TensorUse::output, bind_to(&RmsB::dx)), rms_norm_reference_dx));
  tensors.push_back(make.gradient("dw", &RmsB::dw, rms_norm_reference_dw));
  return tensors;
}

using Ln = NormTensors<LayerNormProblem, LayerNormBuffers>;
using LnB = LayerNormBuffers;

LayerElement ln_mean(const LayerNormProblem& p, const LnB& host, std::int64_t t) {
  return layer_norm_reference(p, host, t).mean;
}
LayerElement ln_rstd(const LayerNormProblem& p, const LnB& host, std::int64_t t) {
  return layer_norm_reference(p, host, t).rstd;
}

std::vector<Ln::Tensor> layer_norm_tensors(const LayerNormProblem& p) {
  const Ln make(p);
  std::vector<Ln::Tensor> tensors = {make.activation("x", TensorUse::input, bind_to(&LnB::x)),
                                     make.parameter("weight", bind_to(&LnB::weight)),
                                     make.parameter("bias", bind_to(&LnB::bias))};
  if (p.pass == LayerPass::forward) {
    if (p.residual) {
      tensors.push_back(make.activation("residual", TensorUse::input, bind_to(&LnB::residual)));
      tensors.push_back(make.result(make.activation("sum", TensorUse::output, bind_to(&LnB::sum)),
                                    [](const LayerNormProblem& q, const LnB& host, std::int64_t t) {
                                      return layer_norm_reference(q, host, t).sum;
                                    }));
    }
    tensors.push_back(make.result(
        make.activation("y", TensorUse::output, bind_to(&LnB::y)),
        [](const LayerNormProblem& q, const LnB& host, std::int64_t t) { return layer_norm_reference(q, host, t).y; }));
    tensors.push_back(make.statistic("mean", &LnB::mean, ln_mean));
    tensors.push_back(make.statistic("rstd", &LnB::rstd, ln_rstd));
    return tensors;
  }
  tensors.push_back(make.given("mean", &LnB::mean, ln_mean));
  tensors.push_back(make.given("rstd", &LnB::rstd, ln_rstd));
  tensors.push_back(make.activation("dy", TensorUse::input, bind_to(&LnB::dy)));
  if (p.residual) tensors.push_back(make.activation("d_sum", TensorUse::input, bind_to(&LnB::d_sum)));
  tensors.push_back(make.result(make.activation("dx", TensorUse::output, bind_to(&LnB::dx)), layer_norm_reference_dx));
  tensors.push_back(make.gradient("dw", &LnB::dw, layer_norm_reference_dw));
  tensors.push_back(make.gradient("db", &LnB::db, layer_norm_reference_db));
  return tensors;
}

std::vector<AxisSpec> norm_axes(const std::string& gradients) {
  return {layer_pass_axis("forward; backward: " + gradients), layer_count_axis("tokens", "rows"),
          layer_count_axis("hidden", "elements of a row"),
          layer_words_axis("residual",
                           "added: the skip connection's sum is made, normalised and written too; backward: "
                           "its gradient is added",
                           {"none", "added"})};
}

std::string validate(const Case& point) { return reason_too_large(point, {"tokens", "hidden"}); }

}  // namespace

WorkloadKind rms_norm_workload(const std::vector<RmsNormKernel>& kernels) {
  LayerOperation<RmsNormProblem, RmsNormBuffers> operation;
  operation.name = "rms_norm";
  operation.meaning = "RMSNorm, alone or behind the skip connection's addition, and its gradients";
  operation.axes = norm_axes("dx and dw from x, rstd and dy");
  operation.convention =
      "bytes = x + y + weight + rstd (added: + residual + sum); backward: x + dy + dx + weight + rstd + dw (added: + "
      "d_sum)";
  operation.problem = norm_problem<RmsNormProblem>;
  operation.tensors = rms_norm_tensors;
  operation.validate = validate;
  return layer_workload(operation, kernels);
}

WorkloadKind layer_norm_workload(const std::vector<LayerNormKernel>& kernels) {
  LayerOperation<LayerNormProblem, LayerNormBuffers> operation;
  operation.name = "layer_norm";
  operation.meaning = "LayerNorm, alone or behind the skip connection's addition, and its gradients";
  operation.axes = norm_axes("dx, dw and db from x, mean, rstd and dy");
  operation.convention =
      "bytes = x + y + weight + bias + mean + rstd (added: + residual + sum); backward: x + dy + dx + weight + mean + "
      "rstd + dw + db (added: + d_sum)";
  operation.problem = norm_problem<LayerNormProblem>;
  operation.tensors = layer_norm_tensors;
  operation.validate = validate;
  return layer_workload(operation, kernels);
}

}  // namespace assay
