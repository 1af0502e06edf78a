// The frame of the workloads between a transformer layer's products: what they have in common, so that one of them is
// its axes, its tensors and their references.
//
// Every launch must write the same bits into its outputs; a state it updates, starting from the same bits in every set.
// Work is the problem's bytes(), no FLOP: rates are bytes per second, and in percent of what the machine copies.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "harness/core/error.h"
#include "harness/verify/sampling.h"
#include "harness/workloads/kernel_rows.h"
#include "harness/workloads/layer_tensors.h"

namespace assay {

template <class Problem, class Buffers>
struct LayerTensor {
  TensorShape shape;
  std::function<void(Buffers&, void*)> bind;
  /// An input's or state's host copy; null: numbers of the case's kind.  `host` has the tensors before this one.
  std::function<void(const Problem&, const Buffers& host, void* data)> fill{};
  /// One row of an output or state, after `launches` launches, from the inputs' (and states' first) values in `host`.
  std::function<LayerRow(const Problem&, const Buffers& host, std::int64_t row, std::int64_t launches)> reference{};
  double row_work = 1;  // multiply-adds that costs
};

/// Binds one pointer of the buffers: bind_to(&SwigluBuffers::gate).
template <class Buffers, class Pointer>
std::function<void(Buffers&, void*)> bind_to(Pointer Buffers::*member) {
  return [member](Buffers& buffers, void* data) { buffers.*member = static_cast<Pointer>(data); };
}

/// Of an element in a row whose reference computes each by itself, with the error allowed: some fifty operations.
inline constexpr double kElementWork = 64;

/// An operation, as far as the frame needs to know it.
template <class Problem, class Buffers>
struct LayerOperation {
  using Tensor = LayerTensor<Problem, Buffers>;
  std::string name, meaning;
  std::vector<AxisSpec> axes;
  std::string convention;  // of its bytes: "bytes = x + y + weight + rstd"
  Problem (*problem)(const Case&);
  std::vector<Tensor> (*tensors)(const Problem&);
  std::function<std::string(const Case&)> validate{};  // null: whatever its axes take
};

template <class Problem, class Buffers>
std::vector<TensorShape> shapes_of(const LayerOperation<Problem, Buffers>& operation, const Problem& problem) {
  std::vector<TensorShape> shapes;
  for (const auto& tensor : operation.tensors(problem)) shapes.push_back(tensor.shape);
  return shapes;
}

template <class Problem>
Work layer_work(const Problem& problem, const std::string& convention) {
  Work work;
  work.bytes = problem.bytes();
  work.convention = convention;
  return work;
}

/// A prepared case.
template <class Problem, class Buffers>
class LayerWorkload final : public SingleDeviceWorkload<Problem, Buffers> {
 public:
  using Description = LayerOperation<Problem, Buffers>;

  LayerWorkload(const Case& point, const WorkloadContext& context, const Description& operation,
                const Kernel<Problem, Buffers>& kernel)
      : SingleDeviceWorkload<Problem, Buffers>(point, context.backend, operation.problem(point),
                                               LayerTensors::set_bytes(shapes_of(operation, operation.problem(point)))),
        convention_(operation.convention),
        tensors_(operation.tensors(this->problem_)),
        memory_(context.backend, shapes_of(operation, this->problem_), this->sets_) {
    for (std::size_t t = 0; t < tensors_.size(); ++t) {
      if (!is_output(t)) fill(t);
      tensors_[t].bind(host_, memory_.host(t).empty() ? nullptr : memory_.host(t).data());
    }
    for (int set = 0; set < this->sets_; ++set) {
      this->buffers_.emplace_back();
      for (std::size_t t = 0; t < tensors_.size(); ++t)
        tensors_[t].bind(this->buffers_.back(), memory_.device(t).data(set));
    }
    memory_.restore();
    this->prepare(kernel);
    memory_.restore();  // preparation may have tuned on these buffers
  }

  Work work() const override { return layer_work(this->problem_, convention_); }

  std::vector<OutputTensor> outputs() const override {
    std::vector<OutputTensor> out;
    for (std::size_t t = 0; t < tensors_.size(); ++t) {
      const TensorShape& shape = tensors_[t].shape;
      if (shape.use == TensorUse::state) return {};
      if (is_output(t))
        out.push_back({shape.name, &memory_.device(t), shape.type.bytes(), {shape.rows, shape.columns}});
    }
    return out;
  }

  Check check(const std::vector<std::int64_t>& launches) override {
    Check check;
    for (std::size_t t = 0; t < tensors_.size(); ++t) {
      if (tensors_[t].shape.use == TensorUse::input) continue;
      const std::vector<std::int64_t> rows =
          sampled_rows(tensors_[t].shape.rows, tensors_[t].row_work, this->point_.seed);
      std::map<std::int64_t, std::vector<LayerRow>> by_launches;  // sets that were launched as often agree
      for (int set = 0; set < this->sets_; ++set) {
        const std::int64_t count = launches[std::size_t(set)];
        if (count == 0) continue;
        std::vector<LayerRow>& references = by_launches[is_output(t) ? 1 : count];
        if (references.empty()) references = references_of(t, rows, count);
        memory_.compare(check, t, set, rows, references);
      }
    }
    return check;
  }

 private:
  bool is_output(std::size_t t) const { return tensors_[t].shape.use == TensorUse::output; }

  void fill(std::size_t t) {
    if (tensors_[t].fill)
      tensors_[t].fill(this->problem_, host_, memory_.host(t).data());
    else
      memory_.fill_host(t, this->point_);
  }

  std::vector<LayerRow> references_of(std::size_t t, const std::vector<std::int64_t>& rows,
                                      std::int64_t launches) const {
    std::vector<LayerRow> references(rows.size());
#pragma omp parallel for schedule(dynamic, 1) num_threads(available_threads())
    for (std::size_t r = 0; r < rows.size(); ++r)
      references[r] = tensors_[t].reference(this->problem_, host_, rows[r], launches);
    return references;
  }

  std::string convention_;
  std::vector<LayerTensor<Problem, Buffers>> tensors_;
  LayerTensors memory_;
  Buffers host_;  // host copies; outputs are null
};

template <class Problem, class Buffers>
void use_layer_kernels(WorkloadKind& kind, const LayerOperation<Problem, Buffers>& operation,
                       const std::vector<Kernel<Problem, Buffers>>& kernels) {
  kind.kernels = kernel_specs(kernels);
  const auto problem_of = operation.problem;
  kind.supports = [&kernels, problem_of](const Case& point, const Target& target, const Communicator& communicator) {
    return kernel_supports(kernels, point, problem_of(point), target, communicator);
  };
  kind.explain = [&kernels, problem_of](const Case& point, const Target& target) {
    const auto& kernel = kernel_named(kernels, point.kernel);
    return kernel.explain ? kernel.explain(problem_of(point), target) : std::string();
  };
  kind.make = [&kernels, operation](const Case& point, WorkloadContext& context) -> std::unique_ptr<Workload> {
    return std::make_unique<LayerWorkload<Problem, Buffers>>(point, context, operation,
                                                             kernel_named(kernels, point.kernel));
  };
}

/// The catalog's row.  `kernels` must outlive it.
template <class Problem, class Buffers>
WorkloadKind layer_workload(const LayerOperation<Problem, Buffers>& operation,
                            const std::vector<Kernel<Problem, Buffers>>& kernels) {
  WorkloadKind kind;
  kind.name = operation.name;
  kind.meaning = operation.meaning;
  kind.axes = operation.axes;
  kind.validate = operation.validate ? operation.validate : [](const Case&) { return std::string(); };
  kind.set_bytes = [operation](const Case& point) {
    return LayerTensors::set_bytes(shapes_of(operation, operation.problem(point)));
  };
  kind.work = [operation](const Case& point, int) {
    return layer_work(operation.problem(point), operation.convention);
  };
  use_layer_kernels(kind, operation, kernels);
  return kind;
}

// What the operations' axes have in common.

inline AxisSpec layer_count_axis(std::string name, std::string meaning) {
  return AxisSpec{std::move(name), std::move(meaning), {}, 1, std::int64_t(1) << 40, std::nullopt};
}

/// The first word is the default, and left out of the id.
inline AxisSpec layer_words_axis(std::string name, std::string meaning, std::vector<std::string> words) {
  AxisSpec axis{std::move(name), std::move(meaning), words, 0, 0, AxisValue(words.front())};
  axis.optional = true;
  return axis;
}

inline AxisSpec layer_pass_axis(std::string meaning) {
  return layer_words_axis("pass", std::move(meaning), {"forward", "backward"});
}

inline LayerPass layer_pass(const Case& point) {
  return point.word_or("pass", "forward") == "backward" ? LayerPass::backward : LayerPass::forward;
}

/// A refusal where the product of the sizes, or its bytes, leaves what an index counts.
std::string reason_too_large(const Case& point, const std::vector<std::string>& axes);

}  // namespace assay
