#include "harness/workloads/gemm.h"

#include <cmath>

#include <fmt/format.h>

#include "harness/core/error.h"
#include "harness/verify/allowed_error.h"
#include "harness/verify/fill.h"
#include "harness/verify/sampling.h"
#include "harness/workloads/kernel_rows.h"
#include "harness/workloads/rotated_buffer.h"

namespace assay {
namespace {

// Streams of the seeded fill: every operand its own.
enum Tensor : std::uint64_t { kA = 1, kB = 2, kD = 3 };

GemmProblem problem_of(const Case& point) {
  GemmProblem problem;
  problem.m = point.number("m");
  problem.n = point.number("n");
  problem.k = point.number("k");
  problem.dtype = point.dtype;
  if (!parse_layout(point.word("layout"), problem.layout)) throw InputError("no such layout: " + point.word("layout"));
  return problem;
}

struct OperandBytes {
  std::size_t a, b, d;
};

OperandBytes operand_bytes(const GemmProblem& p) {
  return {std::size_t(p.m * p.k) * size_bytes(p.dtype), std::size_t(p.k * p.n) * size_bytes(p.dtype),
          std::size_t(p.m * p.n) * size_bytes(p.output())};
}

std::string validate(const Case& point) {
  // Every operand must be addressable with 63 bits, and FLOP = 2 m n k must not overflow them either.
  const double m = double(point.number("m")), n = double(point.number("n")), k = double(point.number("k"));
  constexpr double kLimit = 0x1p62;
  if (2 * m * n * k >= kLimit || 4 * std::max({m * k, k * n, m * n}) >= kLimit)
    return fmt::format("m={:.0f}, n={:.0f}, k={:.0f} is more work than 64 bits count; make one of them smaller", m, n,
                       k);
  return {};
}

std::size_t set_bytes(const Case& point) {
  const OperandBytes bytes = operand_bytes(problem_of(point));
  return RotatedBuffer::stride_for(bytes.a) + RotatedBuffer::stride_for(bytes.b) + RotatedBuffer::stride_for(bytes.d);
}

Work work_of(const Case& point, int /*ranks*/) {
  const GemmProblem problem = problem_of(point);
  const OperandBytes bytes = operand_bytes(problem);
  Work work;
  work.flops = 2.0 * double(problem.m) * double(problem.n) * double(problem.k);
  work.bytes = double(bytes.a) + double(bytes.b) + double(bytes.d) * (problem.accumulates() ? 2 : 1);
  work.convention = problem.accumulates() ? "flops = 2 m n k; bytes = a + b + d read and written"
                                          : "flops = 2 m n k; bytes = a + b + d";
  return work;
}

class GemmWorkload final : public SingleDeviceWorkload<GemmProblem, GemmBuffers> {
 public:
  GemmWorkload(const Case& point, const WorkloadContext& context, const GemmKernel& kernel)
      : SingleDeviceWorkload(point, context.backend, problem_of(point), set_bytes(point)),
        bytes_(operand_bytes(problem_)),
        a_(backend_, bytes_.a, sets_),
        b_(backend_, bytes_.b, sets_),
        d_(backend_, bytes_.d, sets_),
        host_a_(bytes_.a),
        host_b_(bytes_.b),
        host_d_(problem_.accumulates() ? bytes_.d : 0) {
    const int threads = available_threads();
    fill_array(problem_.dtype, host_a_.data(), problem_.m * problem_.k, point.data, point.seed, kA, threads);
    fill_array(problem_.dtype, host_b_.data(), problem_.k * problem_.n, point.data, point.seed, kB, threads);
    if (problem_.accumulates())
      fill_array(problem_.output(), host_d_.data(), problem_.m * problem_.n, point.data, point.seed, kD, threads);
    a_.copy_in(host_a_.data());
    b_.copy_in(host_b_.data());
    for (int set = 0; set < sets_; ++set) buffers_.push_back({a_.data(set), b_.data(set), d_.data(set)});
    prepare(kernel);
    reset_output();  // after preparation, which may have tuned on these buffers
  }

  Work work() const override { return work_of(point_, 1); }

  Check check(const std::vector<std::int64_t>& launches) override {
    const auto elements = sampled_elements(problem_.m, problem_.n, double(problem_.k), point_.seed);
    std::vector<GemmElement> references(elements.size());
#pragma omp parallel for schedule(dynamic, 16) num_threads(available_threads())
    for (std::size_t e = 0; e < elements.size(); ++e)
      references[e] = gemm_reference(problem_, {host_a_.data(), host_b_.data()}, elements[e].row, elements[e].column);
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
  // NaN where the kernel writes, seeded values where it adds.
  void reset_output() {
    if (problem_.accumulates())
      d_.copy_in(host_d_.data());
    else
      d_.fill(0xff);
  }

  void compare_set(Check& check, int set, std::int64_t launches, const std::vector<Element>& elements,
                   const std::vector<GemmElement>& references) const {
    std::vector<std::byte> output(bytes_.d);
    d_.copy_out(set, output.data());
    for (std::size_t e = 0; e < elements.size(); ++e) {
      const auto [row, column] = elements[e];
      const std::int64_t index = row * problem_.n + column;
      const double start = problem_.accumulates() ? load_element(problem_.output(), host_d_.data(), index) : 0;
      const std::int64_t added = problem_.accumulates() ? launches : 1;
      const GemmElement& reference = references[e];
      const double expected = start + double(added) * reference.value;
      const double allowed =
          problem_.accumulates()
              ? accumulated_allowed(problem_.k, added, start, reference.value, reference.magnitude, DType::f32)
              : dot_product_allowed(problem_.k, reference.magnitude, DType::f32, expected, problem_.output());
      check.compare(load_element(problem_.output(), output.data(), index), expected, allowed,
                    [&, row = row, column = column] { return fmt::format("d[{}, {}] of set {}", row, column, set); });
    }
    check.include_digest(output.data(), output.size());
    if (!d_.guards_intact(set)) check.fail_outside(fmt::format("memory after d of set {} was overwritten", set));
  }

  OperandBytes bytes_;
  RotatedBuffer a_, b_, d_;
  std::vector<std::byte> host_a_, host_b_, host_d_;
};

}  // namespace

WorkloadKind gemm_workload(const std::vector<GemmKernel>& kernels) {
  WorkloadKind kind;
  kind.name = "gemm";
  kind.meaning = "matrix product in the layouts of forward (tn), dgrad (nn) and wgrad (nt, fp32 accumulate-into)";
  kind.axes = {
      {"layout", "operand layouts, BLAS letters", {"tn", "nn", "nt"}, 0, 0, AxisValue("tn")},
      {"m", "rows of d", {}, 1, std::int64_t(1) << 40, std::nullopt},
      {"n", "columns of d", {}, 1, std::int64_t(1) << 40, std::nullopt},
      {"k", "length of the dot products", {}, 1, std::int64_t(1) << 40, std::nullopt},
  };
  kind.validate = validate;
  kind.set_bytes = set_bytes;
  kind.work = work_of;
  use_kernels<GemmWorkload>(kind, kernels, problem_of);
  return kind;
}

}  // namespace assay
