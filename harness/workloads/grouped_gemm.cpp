#include "harness/workloads/grouped_gemm.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "harness/core/error.h"
#include "harness/verify/allowed_error.h"
#include "harness/verify/fill.h"
#include "harness/verify/random.h"
#include "harness/verify/sampling.h"
#include "harness/workloads/kernel_rows.h"
#include "harness/workloads/rotated_buffer.h"
#include "harness/workloads/routing.h"

namespace assay {
namespace {

// Streams of the seeded fill: every operand its own.
enum Tensor : std::uint64_t { kA = 1, kB = 2, kD = 3 };

// More experts on one rank than any model has; their row counts are drawn and listed one by one.
constexpr std::int64_t kMostGroups = 4096;

GroupedGemmProblem problem_of(const Case& point) {
  GroupedGemmProblem problem;
  Routing routing{};
  if (!parse_pass(point.word("pass"), problem.pass)) throw InputError("no such pass: " + point.word("pass"));
  if (!parse_routing(point.word("routing"), routing)) throw InputError("no such routing: " + point.word("routing"));
  problem.rows = route_tokens(routing, point.number("rows"), point.number("groups"), point.seed);
  problem.n = point.number("n");
  problem.k = point.number("k");
  problem.dtype = point.dtype;
  return problem;
}

struct OperandBytes {
  std::size_t a, b, d, rows;
};

OperandBytes operand_bytes(const GroupedGemmProblem& p) {
  const GroupedGemmElements elements = elements_of(p, p.first_rows().back());
  return {std::size_t(storage_bytes(p.dtype, elements.a)), std::size_t(storage_bytes(p.dtype, elements.b)),
          std::size_t(storage_bytes(p.output(), elements.d)), p.rows.size() * sizeof(std::int32_t)};
}

std::string validate(const Case& point) {
  // Rows with padding: at most one group's alignment more for each group.
  const double groups = double(point.number("groups")), n = double(point.number("n")), k = double(point.number("k"));
  const double rows = double(point.number("rows")) + double(kGroupAlignment) * groups;
  constexpr double kLimit = 0x1p62;
  if (2 * rows * n * k >= kLimit || 4 * std::max({rows * k, rows * n, groups * n * k}) >= kLimit)
    return fmt::format("rows={}, n={:.0f}, k={:.0f} is more work than 64 bits count; make one of them smaller",
                       point.number("rows"), n, k);
  return {};
}

std::size_t set_bytes(const Case& point) {
  const OperandBytes bytes = operand_bytes(problem_of(point));
  return RotatedBuffer::stride_for(bytes.a) + RotatedBuffer::stride_for(bytes.b) + RotatedBuffer::stride_for(bytes.d) +
         RotatedBuffer::stride_for(bytes.rows);
}

/// Padding is no work, nor are the weights of experts without tokens.
Work work_of(const Case& point, int /*ranks*/) {
  const GroupedGemmProblem p = problem_of(point);
  const double rows = double(p.total_rows()), n = double(p.n), k = double(p.k);
  const auto busy = double(std::count_if(p.rows.begin(), p.rows.end(), [](std::int64_t r) { return r > 0; }));
  const bool wgrad = p.pass == GroupedPass::wgrad;
  Work work;
  work.flops = 2 * rows * n * k;
  work.bytes = rows * (n + k) * double(size_bytes(p.dtype)) + busy * n * k * double(wgrad ? 8 : size_bytes(p.dtype));
  work.convention = wgrad ? "flops = 2 rows n k; bytes = a + b + d of groups with rows, read and written"
                          : "flops = 2 rows n k; bytes = a + b of groups with rows + d";
  return work;
}

class GroupedGemmWorkload final : public SingleDeviceWorkload<GroupedGemmProblem, GroupedGemmBuffers> {
 public:
  GroupedGemmWorkload(const Case& point, const WorkloadContext& context, const GroupedGemmKernel& kernel)
      : SingleDeviceWorkload(point, context.backend, problem_of(point), set_bytes(point)),
        first_rows_(problem_.first_rows()),
        bytes_(operand_bytes(problem_)),
        a_(backend_, bytes_.a, sets_),
        b_(backend_, bytes_.b, sets_),
        d_(backend_, bytes_.d, sets_),
        rows_(backend_, bytes_.rows, sets_),
        host_a_(bytes_.a),
        host_b_(bytes_.b),
        host_d_(accumulates() ? bytes_.d : 0) {
    fill_operands();
    const std::vector<std::int32_t> counts(problem_.rows.begin(), problem_.rows.end());
    a_.copy_in(host_a_.data());
    b_.copy_in(host_b_.data());
    rows_.copy_in(counts.data());
    for (int set = 0; set < sets_; ++set)
      buffers_.push_back({a_.data(set), b_.data(set), d_.data(set), static_cast<const std::int32_t*>(rows_.data(set))});
    prepare(kernel);
    reset_output();  // after preparation, which may have tuned on these buffers
  }

  Work work() const override { return work_of(point_, 1); }

  Check check(const std::vector<std::int64_t>& launches) override {
    const std::vector<Sample> samples = reference_samples();
    Check check;
    for (int set = 0; set < sets_; ++set)
      if (launches[std::size_t(set)] > 0) compare_set(check, set, launches[std::size_t(set)], samples);
    if (accumulates()) {
      // The sum over many launches would hide one wrong launch in many: once more, from the known start, alone.
      reset_output();
      launch(0);
      backend_.synchronize();
      compare_set(check, 0, 1, samples);
    }
    return check;
  }

 private:
  /// One element of one group's d, and its reference.
  struct Sample {
    int group = 0;
    std::int64_t row = 0, column = 0;  // in the group's d
    std::int64_t index = 0;            // in the whole d
    GemmElement reference;
  };

  bool accumulates() const { return problem_.pass == GroupedPass::wgrad; }

  void fill_operands() {
    const int threads = available_threads();
    const GroupedGemmElements elements = elements_of(problem_, first_rows_.back());
    fill_array(problem_.dtype, host_a_.data(), elements.a, point_.data, point_.seed, kA, threads);
    fill_array(problem_.dtype, host_b_.data(), elements.b, point_.data, point_.seed, kB, threads);
    if (accumulates()) fill_array(problem_.output(), host_d_.data(), elements.d, point_.data, point_.seed, kD, threads);
    clear_padding(host_a_, problem_.pass == GroupedPass::forward ? problem_.k : problem_.n);
    if (problem_.pass == GroupedPass::wgrad) clear_padding(host_b_, problem_.k);
  }

  /// Zeroes, in an operand of tokens, the rows that lie between groups.
  void clear_padding(std::vector<std::byte>& tokens, std::int64_t width) const {
    const auto offset = [&](std::int64_t row) { return std::size_t(storage_bytes(problem_.dtype, row * width)); };
    for (std::size_t g = 0; g < problem_.rows.size(); ++g) {
      const std::size_t begin = offset(first_rows_[g] + problem_.rows[g]);
      std::memset(tokens.data() + begin, 0, offset(first_rows_[g + 1]) - begin);
    }
  }

  // NaN where the kernel writes, seeded values where it adds.
  void reset_output() {
    if (accumulates())
      d_.copy_in(host_d_.data());
    else
      d_.fill(0xff);
  }

  /// From every group that has tokens, a part of the budget that is its part of the tokens.
  std::vector<Sample> reference_samples() const {
    std::vector<Sample> samples;
    for (int g = 0; g < problem_.groups(); ++g) {
      const std::int64_t rows = problem_.rows[std::size_t(g)];
      if (rows == 0) continue;
      const GemmProblem gemm = problem_.gemm_of_rows(rows);
      const double budget = kCheckBudget * double(rows) / double(problem_.total_rows());
      const std::int64_t first = accumulates() ? g * problem_.n * problem_.k : first_rows_[std::size_t(g)] * gemm.n;
      for (const auto& [row, column] :
           sampled_elements(gemm.m, gemm.n, double(gemm.k), mix64(point_.seed) + std::uint64_t(g), budget))
        samples.push_back({g, row, column, first + row * gemm.n + column, {}});
    }
#pragma omp parallel for schedule(dynamic, 16) num_threads(available_threads())
    for (std::size_t s = 0; s < samples.size(); ++s) samples[s].reference = reference_of(samples[s]);
    return samples;
  }

  GemmElement reference_of(const Sample& s) const {
    const GroupedGemmBuffers host{host_a_.data(), host_b_.data(), nullptr, nullptr};
    GemmBuffers group = buffers_of_group(problem_, host, s.group, first_rows_[std::size_t(s.group)]);
    return gemm_reference(problem_.gemm_of_rows(problem_.rows[std::size_t(s.group)]), group, s.row, s.column);
  }

  void compare_set(Check& check, int set, std::int64_t launches, const std::vector<Sample>& samples) const {
    std::vector<std::byte> output(bytes_.d);
    d_.copy_out(set, output.data());
    for (const Sample& s : samples) {
      const std::int64_t k = problem_.gemm_of_rows(problem_.rows[std::size_t(s.group)]).k;
      const double start = accumulates() ? load_element(DType::f32, host_d_.data(), s.index) : 0;
      const std::int64_t added = accumulates() ? launches : 1;
      const double expected = start + double(added) * s.reference.value;
      const double allowed =
          accumulates() ? accumulated_allowed(k, added, start, s.reference.value, s.reference.magnitude, DType::f32)
                        : dot_product_allowed(k, s.reference.magnitude, DType::f32, expected, problem_.output());
      check.compare(load_element(problem_.output(), output.data(), s.index), expected, allowed,
                    [&] { return fmt::format("d[{}, {}] of group {} of set {}", s.row, s.column, s.group, set); });
    }
    check_untouched(check, set, output);
    clear_output_padding(output);
    check.include_digest(output.data(), output.size());
  }

  /// What no kernel may write: the gradients of experts without tokens, and what lies around the operands.
  void check_untouched(Check& check, int set, const std::vector<std::byte>& output) const {
    const auto weights = std::size_t(storage_bytes(DType::f32, problem_.n * problem_.k));
    for (std::size_t g = 0; accumulates() && g < problem_.rows.size(); ++g)
      if (problem_.rows[g] == 0 && std::memcmp(output.data() + g * weights, host_d_.data() + g * weights, weights) != 0)
        check.fail_outside(fmt::format("d of group {}, which has no rows, was changed in set {}", g, set));
    const std::pair<const char*, const RotatedBuffer*> operands[] = {
        {"a", &a_}, {"b", &b_}, {"d", &d_}, {"the row counts", &rows_}};
    for (const auto& [name, operand] : operands)
      if (!operand->guards_intact(set))
        check.fail_outside(fmt::format("memory after {} of set {} was overwritten", name, set));
  }

  /// Padding rows of d may hold anything, which must not count in the digest.
  void clear_output_padding(std::vector<std::byte>& output) const {
    if (accumulates()) return;
    const auto row_bytes = std::size_t(storage_bytes(problem_.output(), problem_.gemm_of_rows(1).n));
    for (std::size_t g = 0; g < problem_.rows.size(); ++g) {
      const auto begin = std::size_t(first_rows_[g] + problem_.rows[g]), end = std::size_t(first_rows_[g + 1]);
      std::memset(output.data() + begin * row_bytes, 0, (end - begin) * row_bytes);
    }
  }

  std::vector<std::int64_t> first_rows_;
  OperandBytes bytes_;
  RotatedBuffer a_, b_, d_, rows_;
  std::vector<std::byte> host_a_, host_b_, host_d_;
};

}  // namespace

WorkloadKind grouped_gemm_workload(const std::vector<GroupedGemmKernel>& kernels) {
  const auto count = [](std::string name, std::string meaning, std::int64_t most) {
    return AxisSpec{std::move(name), std::move(meaning), {}, 1, most, std::nullopt};
  };
  constexpr std::int64_t kMostRows = std::int64_t(1) << 30;  // with padding: 32 bits hold them
  WorkloadKind kind;
  kind.name = "grouped_gemm";
  kind.meaning = "the experts' linear layers of one rank in a mixture of experts, all in one launch";
  kind.axes = {
      {"pass",
       "forward and dgrad: groups differ in rows; wgrad: in the length of the dot products, fp32 accumulate-into",
       {"forward", "dgrad", "wgrad"},
       0,
       0,
       AxisValue("forward")},
      {"routing",
       "rows of each group: balanced; uneven: in proportion to 0.7 .. 1.3; skewed: to 1/1, 1/2, ..., a quarter empty",
       {"balanced", "uneven", "skewed"},
       0,
       0,
       AxisValue("uneven")},
      count("groups", "experts on this rank", kMostGroups),
      count("rows", "rows (tokens, once for each expert they go to) of all groups together", kMostRows),
      count("n", "features out of an expert's layer", std::int64_t(1) << 40),
      count("k", "features into it", std::int64_t(1) << 40),
  };
  kind.validate = validate;
  kind.set_bytes = set_bytes;
  kind.work = work_of;
  use_kernels<GroupedGemmWorkload>(kind, kernels, problem_of);
  return kind;
}

}  // namespace assay
