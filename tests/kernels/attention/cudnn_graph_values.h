// Computes a CudnnGraph in fp64, by what its operations are documented to do.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <stdexcept>
#include <vector>

#include "kernels/attention/vendor/cudnn_graph.h"

namespace assay {

/// A tensor's memory; its shape says where an element lies.
using GraphMemory = std::vector<double>;

class GraphValues {
 public:
  /// `inputs`: the tensors in memory that the graph reads.
  GraphValues(const CudnnGraph& graph, std::map<CudnnGraph::Tensor, GraphMemory> inputs)
      : graph_(graph), memory_(std::move(inputs)) {
    for (const auto& [id, value] : graph.constants()) constant_.insert(id);
    for (const auto& step : graph.steps()) run(step);
  }
  const GraphMemory& at(CudnnGraph::Tensor id) const { return memory_.at(id); }

 private:
  using Index = std::array<std::int64_t, 4>;
  using Step = CudnnGraph::Step;

  static std::int64_t offset(const CudnnShape& shape, const Index& at) {
    std::int64_t sum = 0;
    for (std::size_t d = 0; d < 4; ++d) sum += at[d] * shape.stride[d];
    return sum;
  }

  /// An element, where a size of 1 stands for every index and fewer heads each for a group.
  double element(CudnnGraph::Tensor id, Index at, std::int64_t heads) const {
    const CudnnShape& shape = graph_.shape(id);
    if (shape.size[1] > 1) at[1] /= heads / shape.size[1];
    for (std::size_t d = 0; d < 4; ++d)
      if (shape.size[d] == 1) at[d] = 0;
    if (constant_.count(id)) return constant(id);
    return memory_.at(id).at(static_cast<std::size_t>(offset(shape, at)));
  }

  /// Ours are fp32 scales and infinities, and whole numbers that shift an index: the bits tell which.
  double constant(CudnnGraph::Tensor id) const {
    const void* value = graph_.constants().at(id);
    const float f32 = *static_cast<const float*>(value);
    const auto i32 = *static_cast<const std::int32_t*>(value);
    return std::abs(i32) < (1 << 20) ? i32 : static_cast<double>(f32);
  }

  template <class Function>
  static void for_each(const std::array<std::int64_t, 4>& size, const Function& function) {
    Index at{};
    for (at[0] = 0; at[0] < size[0]; ++at[0])
      for (at[1] = 0; at[1] < size[1]; ++at[1])
        for (at[2] = 0; at[2] < size[2]; ++at[2])
          for (at[3] = 0; at[3] < size[3]; ++at[3]) function(at);
  }

  static double pointwise(int mode, double x, double y) {
    switch (mode) {
      case CUDNN_POINTWISE_ADD:
        return x + y;
      case CUDNN_POINTWISE_SUB:
        return x - y;
      case CUDNN_POINTWISE_MUL:
        return x * y;
      case CUDNN_POINTWISE_DIV:
        return x / y;
      case CUDNN_POINTWISE_EXP:
        return std::exp(x);
      case CUDNN_POINTWISE_LOG:
        return std::log(x);
      case CUDNN_POINTWISE_IDENTITY:
        return x;
      case CUDNN_POINTWISE_CMP_GE:
        return x >= y;
      case CUDNN_POINTWISE_CMP_GT:
        return x > y;
      default:
        throw std::logic_error("an operation that attention has no use for");
    }
  }

  double value(const Step& step, const Index& at, std::int64_t heads) const {
    const auto in = [&](std::size_t i, const Index& where) { return element(step.inputs[i], where, heads); };
    switch (step.kind) {
      case Step::Kind::pointwise:
        return pointwise(step.mode, in(0, at), step.inputs.size() > 1 ? in(1, at) : 0);
      case Step::Kind::index:
        return static_cast<double>(at[static_cast<std::size_t>(step.mode)]);
      case Step::Kind::select:
        return in(0, at) != 0 ? in(1, at) : in(2, at);
      case Step::Kind::matmul: {
        double sum = 0;
        for (std::int64_t k = 0; k < graph_.shape(step.inputs[0]).size[3]; ++k)
          sum += in(0, {at[0], at[1], at[2], k}) * in(1, {at[0], at[1], k, at[3]});
        return sum;
      }
      default:
        throw std::logic_error("no element of its own");
    }
  }

  void run(const Step& step) {
    const CudnnShape &shape = graph_.shape(step.result), &from = graph_.shape(step.inputs[0]);
    if (step.kind == Step::Kind::reshape) {  // the same memory, read otherwise
      memory_[step.result] = memory_.at(step.inputs[0]);
      return;
    }
    Index last{};
    for (std::size_t d = 0; d < 4; ++d) last[d] = shape.size[d] - 1;
    const bool maximum = step.kind == Step::Kind::reduce && step.mode == CUDNN_REDUCE_TENSOR_MAX;
    GraphMemory out(static_cast<std::size_t>(offset(shape, last)) + 1,
                    maximum ? -std::numeric_limits<double>::infinity() : 0.0);
    if (step.kind == Step::Kind::reduce) {
      for_each(from.size, [&](const Index& at) {
        Index to = at;
        to[1] /= from.size[1] / shape.size[1];
        for (std::size_t d = 2; d < 4; ++d)
          if (shape.size[d] == 1) to[d] = 0;
        double& sum = out.at(static_cast<std::size_t>(offset(shape, to)));
        const double x = element(step.inputs[0], at, from.size[1]);
        sum = maximum ? std::max(sum, x) : sum + x;
      });
    } else {
      for_each(shape.size, [&](const Index& at) {
        out.at(static_cast<std::size_t>(offset(shape, at))) = value(step, at, shape.size[1]);
      });
    }
    memory_[step.result] = std::move(out);
  }

  const CudnnGraph& graph_;
  std::map<CudnnGraph::Tensor, GraphMemory> memory_;
  std::set<CudnnGraph::Tensor> constant_;
};

}  // namespace assay
