#include "harness/workloads/peak.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include <fmt/format.h>

#include "harness/core/error.h"
#include "harness/core/units.h"
#include "harness/verify/fill.h"
#include "harness/workloads/kernel_rows.h"
#include "harness/workloads/rotated_buffer.h"

namespace assay {
namespace {

constexpr std::size_t kMostAccumulatorBytes = std::size_t(64) << 20;  // a B300's fill a third of that
constexpr std::size_t kFloorBytes = 256;                              // that must stay untouched
constexpr std::uint8_t kPoison = 0xff;
constexpr const char* kRanks = "ranks";  // only where there are several

PeakProblem problem_of(const Case& point) {
  PeakProblem problem;
  problem.dtype = point.dtype;
  problem.size = point.number("size");
  if (!parse_peak_unit(point.word("unit"), problem.unit)) throw InputError("no such unit: " + point.word("unit"));
  return problem;
}

std::string validate(const Case& point) {
  const PeakProblem problem = problem_of(point);
  if (is_memory(problem.unit) && problem.size % kPeakGranule != 0)
    return fmt::format("size={} is not a multiple of {}, which {} moves", problem.size, kPeakGranule,
                       name(problem.unit));
  return {};
}

std::size_t input_bytes(const PeakProblem& problem) {
  return std::size_t(arrays_read(problem.unit)) * std::size_t(problem.size);
}

/// `arithmetic` is empty where no target is known: then the most it may be.
std::size_t output_bytes(const PeakProblem& problem, const PeakArithmetic* arithmetic) {
  if (is_arithmetic(problem.unit))
    return arithmetic ? std::size_t(arithmetic->accumulators) * sizeof(float) : kMostAccumulatorBytes;
  if (problem.unit == PeakUnit::read) return std::size_t(kPeakPartials) * sizeof(std::uint64_t);
  return problem.unit == PeakUnit::floor ? kFloorBytes : std::size_t(problem.size);
}

std::size_t set_bytes(const Case& point) {
  const PeakProblem problem = problem_of(point);
  const std::size_t input = input_bytes(problem);
  return (input > 0 ? RotatedBuffer::stride_for(input) : 0) + RotatedBuffer::stride_for(output_bytes(problem, nullptr));
}

/// FLOP depend on how many units the target has, so they are known once the case is prepared.
Work work_of(const PeakProblem& problem, const PeakArithmetic* arithmetic) {
  Work work;
  if (is_arithmetic(problem.unit)) {
    if (arithmetic)
      work.flops = 2.0 * double(arithmetic->accumulators) * double(arithmetic->multiply_adds) * double(problem.size);
    work.convention = "flops = 2 (accumulators of all units) (multiply-adds a step) steps";
  } else if (is_memory(problem.unit)) {
    const int arrays = arrays_read(problem.unit) + arrays_written(problem.unit);
    work.bytes = double(problem.size) * arrays;
    work.convention = arrays > 1 ? "bytes = read + written" : "bytes = size";
  } else {
    work.convention = "no work";
  }
  return work;
}

Work by_ranks(Work work, std::int64_t ranks) {
  work.bytes *= double(ranks);
  if (ranks > 1) work.convention += ", of all ranks at once";
  return work;
}

class PeakWorkload final : public SingleDeviceWorkload<PeakProblem, PeakBuffers> {
 public:
  PeakWorkload(const Case& point, const WorkloadContext& context, const PeakKernel& kernel)
      : SingleDeviceWorkload(point, context.backend, problem_of(point), set_bytes(point)),
        ranks_(point.number_or(kRanks, 1)),
        host_input_(input_bytes(problem_)) {
    if (is_arithmetic(problem_.unit)) arithmetic_ = kernel.arithmetic(problem_, backend_.target());
    const std::size_t bytes = output_bytes(problem_, &arithmetic_);
    if (is_arithmetic(problem_.unit) && bytes > kMostAccumulatorBytes)
      throw MeasureError(fmt::format("{} of accumulators, expected at most {}", format_bytes(bytes),
                                     format_bytes(kMostAccumulatorBytes)));
    output_.emplace(backend_, bytes, sets_);
    if (!host_input_.empty()) {
      // Any bits do; as fp32 they are what `data` says.
      fill_array(DType::f32, host_input_.data(), std::int64_t(host_input_.size() / sizeof(float)), point.data,
                 point.seed, 1, available_threads());
      input_.emplace(backend_, host_input_.size(), sets_);
      input_->copy_in(host_input_.data());
    }
    for (int set = 0; set < sets_; ++set)
      buffers_.push_back({input_ ? input_->data(set) : nullptr, output_->data(set)});
    prepare(kernel);
    output_->fill(kPoison);
    clock_floor_ = least_time();
  }

  Work work() const override { return by_ranks(work_of(problem_, &arithmetic_), ranks_); }

  std::string description() const override {
    const std::string chosen = SingleDeviceWorkload::description();
    return chosen + fmt::format("{}clock around nothing: {:.3g} us", chosen.empty() ? "" : ", ", clock_floor_ * 1e6);
  }

  // Not the clock's floor, which differs from run to run.
  std::string variant() const override { return SingleDeviceWorkload::description(); }

  std::vector<OutputTensor> outputs() const override {
    if (problem_.unit == PeakUnit::floor) return {};  // it writes none
    return {{"output", &*output_, is_arithmetic(problem_.unit) ? sizeof(float) : sizeof(std::uint64_t), {}}};
  }

  Check check(const std::vector<std::int64_t>& launches) override {
    Check check;
    std::vector<std::byte> got(output_->bytes());
    for (int set = 0; set < sets_; ++set) {
      if (launches[std::size_t(set)] == 0) continue;
      output_->copy_out(set, got.data());
      if (is_arithmetic(problem_.unit))
        compare_accumulators(check, set, got);
      else if (problem_.unit == PeakUnit::read)
        compare_sum(check, set, got);
      else
        compare_bytes(check, set, got);
      check.include_digest(got.data(), got.size());
      if (!output_->guards_intact(set))
        check.fail_outside(fmt::format("memory after the output of set {} was overwritten", set));
    }
    return check;
  }

 private:
  /// What an event pair, or two looks at the clock, give for no work at all.
  double least_time() {
    constexpr int kTries = 11;
    double least = std::numeric_limits<double>::infinity();
    for (int i = 0; i < kTries; ++i) least = std::min(least, backend_.time([] {}));
    return least;
  }

  void compare_accumulators(Check& check, int set, const std::vector<std::byte>& got) const {
    for (std::int64_t i = 0; i < arithmetic_.accumulators; ++i) {
      const double expected = double(peak_start(i)) + double(arithmetic_.increment) * double(problem_.size);
      check.compare(load_element(DType::f32, got.data(), i), expected, 0,
                    [&] { return fmt::format("accumulator {} of set {}", i, set); });
    }
  }

  void compare_sum(Check& check, int set, const std::vector<std::byte>& got) const {
    std::uint64_t expected = 0, sum = 0;
    for (std::size_t i = 0; i < host_input_.size(); i += sizeof(std::uint32_t)) {
      std::uint32_t word;
      std::memcpy(&word, &host_input_[i], sizeof word);
      expected += word;
    }
    for (std::size_t i = 0; i < got.size(); i += sizeof sum) {
      std::uint64_t partial;
      std::memcpy(&partial, &got[i], sizeof partial);
      sum += partial;
    }
    // As doubles these would agree where only low bits differ.
    check.compare(sum == expected ? 0 : 1, 0, 0,
                  [&] { return fmt::format("whether the sum of set {} ({}) is not {}", set, sum, expected); });
  }

  std::vector<std::byte> expected_bytes(std::size_t size) const {
    if (problem_.unit == PeakUnit::copy) return host_input_;
    if (problem_.unit == PeakUnit::write) return std::vector<std::byte>(size, std::byte(kPeakPattern & 0xff));
    std::vector<std::byte> out(size, std::byte(kPoison));
    if (problem_.unit != PeakUnit::triad) return out;
    for (std::size_t i = 0; i < size; i += sizeof(float)) {
      float b, c;
      std::memcpy(&b, &host_input_[i], sizeof b);
      std::memcpy(&c, &host_input_[size + i], sizeof c);
      const float sum = b + kPeakScale * c;
      std::memcpy(&out[i], &sum, sizeof sum);
    }
    return out;
  }

  /// Every byte; the first that differs is named.
  void compare_bytes(Check& check, int set, const std::vector<std::byte>& got) const {
    const std::vector<std::byte> expected = expected_bytes(got.size());
    const auto differs = std::mismatch(got.begin(), got.end(), expected.begin()).first;
    const auto at = std::min(differs - got.begin(), std::ptrdiff_t(got.size()) - 1);
    check.elements += std::int64_t(got.size()) - 1;  // compare() counts the one it is told
    check.compare(double(got[std::size_t(at)]), double(expected[std::size_t(at)]), 0,
                  [&] { return fmt::format("byte {} of set {}", at, set); });
  }

  std::int64_t ranks_;
  PeakArithmetic arithmetic_;
  std::optional<RotatedBuffer> input_, output_;
  std::vector<std::byte> host_input_;
  double clock_floor_ = 0;
};

/// What processors share, several processes move at once: a row of its own, of what all of them move.
bool shared_by_ranks(const Case& point) { return point.device == Device::cpu && is_memory(problem_of(point).unit); }

/// size=0: what the kernel takes long enough, or goes far enough beyond the caches, with.
void resolve_size(const std::vector<PeakKernel>& kernels, Case& point) {
  const PeakKernel* kernel = find_row(kernels, point.kernel);
  for (CaseAxis& axis : point.axes)
    if (axis.name == "size" && axis.value == AxisValue(std::int64_t(0)) && kernel) axis.value = kernel->default_size;
}

Support supports(const std::vector<PeakKernel>& kernels, const Case& point, const Target& target,
                 const Communicator& communicator) {
  const PeakProblem problem = problem_of(point);
  if (is_arithmetic(problem.unit) && point.data != Fill::integers)
    return Support::no("its factors are whole numbers, whose sums are exact: data=integers");
  return shared_by_ranks(point) ? kernel_supports(kernels, point, problem, target)
                                : kernel_supports(kernels, point, problem, target, communicator);
}

std::vector<std::string> unit_names() {
  std::vector<std::string> names;
  for (const PeakUnitName& row : kPeakUnits) names.emplace_back(row.name);
  return names;
}

}  // namespace

WorkloadKind peak_workload(const std::vector<PeakKernel>& kernels) {
  WorkloadKind kind;
  kind.name = "peak";
  kind.meaning =
      "what the machine's units reach: multiply-adds in registers, memory rates, the cost of an empty launch";
  kind.axes = {
      {"unit",
       "fma: ordinary multiply-add units; tensor: tensor cores; copy, triad (STREAM's: two arrays read, one written), "
       "read, write: memory; floor: an empty launch",
       unit_names(), 0, 0, std::nullopt},
      {"size",
       "fma, tensor: steps; copy, triad, read, write: bytes of an array; 0: as much as the kernel thinks right",
       {},
       0,
       std::int64_t(1) << 40,
       AxisValue(std::int64_t(0))},
  };
  kind.validate = validate;
  kind.resolve = [&kernels](Case& point, int offered) {
    resolve_size(kernels, point);
    if (offered > 1 && shared_by_ranks(point)) point.axes.push_back({kRanks, std::int64_t(offered)});
  };
  kind.set_bytes = set_bytes;
  kind.work = [](const Case& point, int) {
    return by_ranks(work_of(problem_of(point), nullptr), point.number_or(kRanks, 1));
  };
  use_kernels<PeakWorkload>(kind, kernels, problem_of);
  kind.supports = [&kernels](const Case& point, const Target& target, const Communicator& communicator) {
    return supports(kernels, point, target, communicator);
  };
  return kind;
}

}  // namespace assay
