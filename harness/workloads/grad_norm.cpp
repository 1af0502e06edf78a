// The gradient norm: many tensors, found through an array of pointers of each set's own.
#include <optional>

#include <fmt/format.h>

#include "harness/verify/fill.h"
#include "harness/workloads/kernel_rows.h"
#include "harness/workloads/layer_frame.h"
#include "harness/workloads/layer_tokens.h"
#include "harness/workloads/rotated_buffer.h"

namespace assay {
namespace {

constexpr std::uint8_t kPoison = 0xff;

/// As even as it goes where each tensor begins on a vector of 16 bytes, as a framework's allocator has them: on 8
/// elements of bf16, or twice that of f32.
std::vector<std::int64_t> shares_of(std::int64_t elements, std::int64_t tensors) {
  constexpr std::int64_t kVector = 8;
  const auto end_of = [&](std::int64_t k) {
    return k == tensors ? elements : elements * k / tensors / kVector * kVector;
  };
  std::vector<std::int64_t> shares;
  for (std::int64_t k = 0; k < tensors; ++k) shares.push_back(end_of(k + 1) - end_of(k));
  return shares;
}

GradNormProblem problem_of(const Case& point) {
  GradNormProblem problem;
  problem.elements = shares_of(point.number("elements"), point.number("tensors"));
  problem.dtype = point.dtype;
  return problem;
}

std::size_t set_bytes(const Case& point) {
  const GradNormProblem problem = problem_of(point);
  return RotatedBuffer::stride_for(std::size_t(problem.bytes())) + RotatedBuffer::stride_for(sizeof(GradNorm));
}

Work work_of(const Case& point, int) { return layer_work(problem_of(point), "bytes = gradients"); }

/// `pointers` to tensors that lie one behind the other from `first`.
std::vector<const void*> pointers_to(const GradNormProblem& problem, const void* first) {
  std::vector<const void*> pointers;
  const auto* at = static_cast<const char*>(first);
  for (const std::int64_t count : problem.elements) {
    pointers.push_back(at);
    at += count * std::int64_t(size_bytes(problem.dtype));
  }
  return pointers;
}

class GradNormWorkload final : public SingleDeviceWorkload<GradNormProblem, GradNormBuffers> {
 public:
  GradNormWorkload(const Case& point, const WorkloadContext& context, const GradNormKernel& kernel)
      : SingleDeviceWorkload(point, context.backend, problem_of(point), set_bytes(point)),
        host_(std::size_t(problem_.bytes())),
        gradients_(backend_, host_.size(), sets_),
        result_(backend_, sizeof(GradNorm), sets_) {
    fill_array(problem_.dtype, host_.data(), problem_.all_elements(), point.data, point.seed, 1, available_threads());
    gradients_.copy_in(host_.data());
    const std::size_t tensors = problem_.elements.size();
    elements_ = backend_.allocate(tensors * sizeof(std::int64_t));
    backend_.copy_in(elements_, problem_.elements.data(), elements_.bytes());
    for (int set = 0; set < sets_; ++set) {
      pointers_.push_back(backend_.allocate(tensors * sizeof(void*)));
      backend_.copy_in(pointers_.back(), pointers_to(problem_, gradients_.data(set)).data(), pointers_.back().bytes());
      buffers_.push_back({static_cast<const void* const*>(pointers_.back().data()),
                          static_cast<const std::int64_t*>(elements_.data()),
                          static_cast<GradNorm*>(result_.data(set))});
    }
    prepare(kernel);
    result_.fill(kPoison);
  }

  Work work() const override { return work_of(point_, 1); }

  std::vector<OutputTensor> outputs() const override { return {{"result", &result_, sizeof(double), {2}}}; }

  Check check(const std::vector<std::int64_t>& launches) override {
    const std::vector<const void*> pointers = pointers_to(problem_, host_.data());
    const GradNormReference expected =
        grad_norm_reference(problem_, {pointers.data(), problem_.elements.data(), nullptr});
    Check check;
    for (int set = 0; set < sets_; ++set) {
      if (launches[std::size_t(set)] == 0) continue;
      GradNorm got;
      result_.copy_out(set, &got);
      const auto compare = [&](const char* what, double value, const LayerElement& reference) {
        check.compare(value, reference.value, reference.allowed,
                      [&] { return fmt::format("{} of set {}", what, set); });
      };
      compare("sum_of_squares", got.sum_of_squares, expected.sum_of_squares);
      compare("norm", double(got.norm), expected.norm);
      compare("clip", double(got.clip), expected.clip);
      check.include_digest(&got, sizeof got);
      if (!result_.guards_intact(set))
        check.fail_outside(fmt::format("memory after the result of set {} was overwritten", set));
    }
    return check;
  }

 private:
  std::vector<std::byte> host_;
  RotatedBuffer gradients_, result_;
  std::vector<Buffer> pointers_;  // of each set
  Buffer elements_;
};

}  // namespace

WorkloadKind grad_norm_workload(const std::vector<GradNormKernel>& kernels) {
  WorkloadKind kind;
  kind.name = "grad_norm";
  kind.meaning = "the norm of all gradients in a fixed order of sums, and the factor that clips it";
  AxisSpec tensors{"tensors", "that the elements are shared out among", {}, 1, std::int64_t(1) << 20, std::nullopt};
  kind.axes = {layer_count_axis("elements", "of all tensors"), tensors};
  kind.validate = [](const Case& point) {
    if (point.number("tensors") > point.number("elements")) return std::string("tensors must not be above elements");
    return reason_too_large(point, {"elements"});
  };
  kind.set_bytes = set_bytes;
  kind.work = work_of;
  use_kernels<GradNormWorkload>(kind, kernels, problem_of);
  return kind;
}

}  // namespace assay
