#include "harness/workloads/gemm.h"

#include <algorithm>
#include <string_view>
#include <type_traits>

#include <fmt/format.h>

#include "harness/core/error.h"
#include "harness/verify/allowed_error.h"
#include "harness/verify/sampling.h"
#include "harness/workloads/gemm_operands.h"
#include "harness/workloads/kernel_rows.h"
#include "harness/workloads/rotated_buffer.h"

namespace assay {
namespace {

GemmProblem problem_of(const Case& point) {
  GemmProblem problem;
  problem.m = point.number("m");
  problem.n = point.number("n");
  problem.k = point.number("k");
  problem.dtype = point.dtype;
  if (!parse_layout(point.word("layout"), problem.layout)) throw InputError("no such layout: " + point.word("layout"));
  const std::string scaling = point.word_or("scaling", "none");
  if (!parse_scaling(scaling, problem.scaling)) throw InputError("no such scaling: " + scaling);
  problem.accumulate = point.word_or("accumulate", "auto") == "f32";
  problem.prepacked = point.word_or("weights", "plain") == "prepacked";
  if (const std::string config = point.word_or("config", "auto"); config != "auto") problem.config = config;
  return problem;
}

/// Which scale factors an element type goes with: 8 and 4 bits are too few without, and the wider need none.
struct FittingScalings {
  DType dtype;
  const char* names;
};
constexpr FittingScalings kFittingScalings[] = {
    {DType::f32, "none"},
    {DType::tf32, "none"},
    {DType::bf16, "none"},
    {DType::f16, "none"},
    {DType::e4m3, "tensor, block or mx"},
    {DType::e5m2, "tensor, block or mx"},
    {DType::e2m1, "nv"},
};

std::string misfit(const GemmProblem& p) {
  const auto& fitting = *std::find_if(std::begin(kFittingScalings), std::end(kFittingScalings),
                                      [&](const FittingScalings& row) { return row.dtype == p.dtype; });
  if (std::string_view(fitting.names).find(name(p.scaling)) == std::string_view::npos)
    return fmt::format("{} goes with scaling {}, not {}", name(p.dtype), fitting.names, name(p.scaling));
  if (p.accumulate && p.layout == GemmLayout::nt)
    return "layout nt adds into an fp32 d by itself; leave accumulate at auto";
  // Two e2m1 share a byte, and rows begin at whole bytes.
  const std::int64_t a_row = p.a_is_k_major() ? p.k : p.m, b_row = p.b_is_k_major() ? p.k : p.n;
  if (p.dtype == DType::e2m1 && (a_row % 2 != 0 || b_row % 2 != 0))
    return fmt::format("e2m1 needs rows of an even number of elements: here they have {} (a) and {} (b)", a_row, b_row);
  return {};
}

std::string validate(const Case& point) {
  // Every operand must be addressable with 63 bits, and FLOP = 2 m n k must not overflow them either.
  const double m = double(point.number("m")), n = double(point.number("n")), k = double(point.number("k"));
  constexpr double kLimit = 0x1p62;
  if (2 * m * n * k >= kLimit || 4 * std::max({m * k, k * n, m * n}) >= kLimit)
    return fmt::format("m={:.0f}, n={:.0f}, k={:.0f} is more work than 64 bits count; make one of them smaller", m, n,
                       k);
  return misfit(problem_of(point));
}

std::size_t set_bytes(const Case& point) {
  const GemmBytes bytes = gemm_bytes(problem_of(point));
  std::size_t sum = 0;
  for (const std::size_t one :
       {bytes.a, bytes.b, bytes.d, bytes.a_block_scales, bytes.b_block_scales, bytes.tensor_scale, bytes.tensor_scale})
    if (one > 0) sum += RotatedBuffer::stride_for(one);
  return sum;
}

Work work_of(const Case& point, int /*ranks*/) {
  const GemmProblem problem = problem_of(point);
  const GemmBytes bytes = gemm_bytes(problem);
  Work work;
  work.flops = 2.0 * double(problem.m) * double(problem.n) * double(problem.k);
  work.bytes = double(bytes.a) + double(bytes.b) + double(bytes.d) * (problem.accumulates() ? 2 : 1) +
               double(bytes.a_block_scales) + double(bytes.b_block_scales) + 2 * double(bytes.tensor_scale);
  const std::string scales = problem.scaling == GemmScaling::none ? "" : " + scale factors";
  work.convention =
      "flops = 2 m n k; bytes = a + b + d" + std::string(problem.accumulates() ? " read and written" : "") + scales;
  return work;
}

class GemmWorkload final : public SingleDeviceWorkload<GemmProblem, GemmBuffers> {
 public:
  GemmWorkload(const Case& point, const WorkloadContext& context, const GemmKernel& kernel)
      : SingleDeviceWorkload(point, context.backend, problem_of(point), set_bytes(point)),
        host_(seeded_operands(problem_, point.data, point.seed, available_threads())),
        a_(backend_, host_.a.size(), sets_),
        b_(backend_, host_.b.size(), sets_),
        d_(backend_, gemm_bytes(problem_).d, sets_) {
    if (kernel.accumulation) accumulation_ = kernel.accumulation(problem_, backend_.target());
    a_.copy_in(host_.a.data());
    b_.copy_in(host_.b.data());
    for (int set = 0; set < sets_; ++set) buffers_.push_back({a_.data(set), b_.data(set), d_.data(set)});
    add_scales();
    prepare(kernel);
    reset_output();  // after preparation, which may have tuned on these buffers
  }

  Work work() const override { return work_of(point_, 1); }

  std::vector<OutputTensor> outputs() const override {
    if (problem_.accumulates()) return {};
    return {{"d", &d_, std::size_t(storage_bytes(problem_.output(), 1)), {problem_.m, problem_.n}}};
  }

  Check check(const std::vector<std::int64_t>& launches) override {
    const auto elements = sampled_elements(problem_.m, problem_.n, double(problem_.k), point_.seed);
    std::vector<GemmElement> references(elements.size());
#pragma omp parallel for schedule(dynamic, 16) num_threads(available_threads())
    for (std::size_t e = 0; e < elements.size(); ++e)
      references[e] = gemm_reference(problem_, host_.buffers(), elements[e].row, elements[e].column);
    Check check;
    for (int set = 0; set < sets_; ++set)
      if (launches[std::size_t(set)] > 0) compare_set(check, set, launches[std::size_t(set)], elements, references);
    if (problem_.accumulates()) {
      // The sum over many launches would hide one wrong launch in many: once more, from the known start, alone.
      reset_output();
      launch(0);
      backend_.synchronize();
      compare_set(check, 0, 1, elements, references);
    }
    return check;
  }

 private:
  /// Each set has factors of its own, so that they come from memory as the operands do.
  void add_scales() {
    const auto add = [&](const void* host, std::size_t bytes, auto GemmBuffers::*member) {
      if (bytes == 0) return;
      scales_.emplace_back(backend_, bytes, sets_).copy_in(host);
      for (int set = 0; set < sets_; ++set)
        buffers_[std::size_t(set)].*member =
            static_cast<std::remove_reference_t<decltype(buffers_[0].*member)>>(scales_.back().data(set));
    };
    const std::size_t tensor = gemm_bytes(problem_).tensor_scale;
    add(&host_.a_tensor_scale, tensor, &GemmBuffers::a_tensor_scale);
    add(&host_.b_tensor_scale, tensor, &GemmBuffers::b_tensor_scale);
    add(host_.a_block_scales.data(), host_.a_block_scales.size(), &GemmBuffers::a_block_scales);
    add(host_.b_block_scales.data(), host_.b_block_scales.size(), &GemmBuffers::b_block_scales);
  }

  // NaN where the kernel writes, seeded values where it adds.
  void reset_output() {
    if (problem_.accumulates())
      d_.copy_in(host_.d.data());
    else
      d_.fill(0xff);
  }

  void compare_set(Check& check, int set, std::int64_t launches, const std::vector<Element>& elements,
                   const std::vector<GemmElement>& references) const {
    std::vector<std::byte> output(d_.bytes());
    d_.copy_out(set, output.data());
    for (std::size_t e = 0; e < elements.size(); ++e) {
      const auto [row, column] = elements[e];
      const std::int64_t index = row * problem_.n + column;
      const double start = problem_.accumulates() ? load_element(problem_.output(), host_.d.data(), index) : 0;
      const std::int64_t added = problem_.accumulates() ? launches : 1;
      const GemmElement& reference = references[e];
      const double expected = start + double(added) * reference.value;
      const double coarse = double(added) * coarse_sum_allowed(problem_.k, reference.magnitude, accumulation_);
      const double allowed =
          coarse +
          (problem_.accumulates()
               ? accumulated_allowed(problem_.k, added, start, reference.value, reference.magnitude, DType::f32)
               : dot_product_allowed(problem_.k, reference.magnitude, DType::f32, expected, problem_.output()));
      check.compare(load_element(problem_.output(), output.data(), index), expected, allowed,
                    [&, row = row, column = column] { return fmt::format("d[{}, {}] of set {}", row, column, set); });
    }
    check.include_digest(output.data(), output.size());
    if (!d_.guards_intact(set)) check.fail_outside(fmt::format("memory after d of set {} was overwritten", set));
  }

  const GemmOperands host_;
  RotatedBuffer a_, b_, d_;
  std::vector<RotatedBuffer> scales_;
  Accumulation accumulation_;
};

/// A named configuration is a kernel's own: one that has none to choose from cannot be asked for it.  Nor can one that
/// packs nothing be measured as if it had: its row would stand under the wrong name.
Support options_fit(const std::vector<GemmKernel>& kernels, const Case& point) {
  const std::string config = point.word_or("config", "auto");
  const GemmKernel* kernel = find_row(kernels, point.kernel);
  if (problem_of(point).prepacked && !(kernel && kernel->packs_weights))
    return Support::no(point.kernel + " arranges no weights beforehand");
  if (config == "auto" || (kernel && kernel->explain)) return Support::yes();
  return Support::no(fmt::format("{} has no configurations to choose \"{}\" from", point.kernel, config));
}

}  // namespace

WorkloadKind gemm_workload(const std::vector<GemmKernel>& kernels) {
  WorkloadKind kind;
  kind.name = "gemm";
  kind.meaning = "matrix product in the layouts of forward (tn), dgrad (nn) and wgrad (nt, fp32 accumulate-into)";
  constexpr std::int64_t kLargest = std::int64_t(1) << 40;
  kind.axes = {
      {"layout", "operand layouts, BLAS letters", {"tn", "nn", "nt"}, 0, 0, AxisValue("tn")},
      {"m", "rows of d", {}, 1, kLargest, std::nullopt},
      {"n", "columns of d", {}, 1, kLargest, std::nullopt},
      {"k", "length of the dot products", {}, 1, kLargest, std::nullopt},
      {"scaling",
       "scale factors of the operands",
       {"none", "tensor", "block", "mx", "nv"},
       0,
       0,
       AxisValue("none"),
       true},
      {"accumulate", "f32: add into an fp32 d in any layout", {"auto", "f32"}, 0, 0, AxisValue("auto"), true},
      {"weights", "prepacked: b may be arranged beforehand", {"plain", "prepacked"}, 0, 0, AxisValue("plain"), true},
      {"config", "a kernel's own name of a tile configuration", {}, 0, 0, AxisValue("auto"), true, true},
  };
  kind.validate = validate;
  kind.set_bytes = set_bytes;
  kind.work = work_of;
  use_kernels<GemmWorkload>(kind, kernels, problem_of);
  kind.supports = [&kernels, of_kernel = kind.supports](const Case& point, const Target& target,
                                                        const Communicator& communicator) {
    const Support support = of_kernel(point, target, communicator);
    return support.ok() ? options_fit(kernels, point) : support;
  };
  return kind;
}

}  // namespace assay
