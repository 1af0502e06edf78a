// What the peak workload says of kernels that do not do the work they are credited with.
#include "harness/workloads/peak.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "harness/backends/backend.h"
#include "harness/communicators/communicator.h"
#include "tests/harness/workloads/processes.h"

namespace assay {
namespace {

using testing::HasSubstr;

constexpr std::int64_t kAccumulators = 40;

using Launch = void (*)(const PeakProblem&, const PeakBuffers&, const Target&, Stream);

void right(const PeakProblem& p, const PeakBuffers& b, const Target&, Stream) {
  auto* sums = static_cast<float*>(b.output);
  if (is_arithmetic(p.unit))
    for (std::int64_t i = 0; i < kAccumulators; ++i) sums[i] = float(peak_start(i) + p.size);
  if (p.unit == PeakUnit::copy) std::memcpy(b.output, b.input, std::size_t(p.size));
  if (p.unit == PeakUnit::triad)
    for (std::int64_t i = 0; i < p.size / 4; ++i) {
      const auto* b_and_c = static_cast<const float*>(b.input);
      static_cast<float*>(b.output)[i] = b_and_c[i] + kPeakScale * b_and_c[p.size / 4 + i];
    }
  if (p.unit == PeakUnit::write) std::memset(b.output, int(kPeakPattern & 0xff), std::size_t(p.size));
  if (p.unit != PeakUnit::read) return;
  auto* partials = static_cast<std::uint64_t*>(b.output);
  std::memset(partials, 0, kPeakPartials * sizeof *partials);
  for (std::int64_t i = 0; i < p.size / 4; ++i) partials[i % 7] += static_cast<const std::uint32_t*>(b.input)[i];
}

/// One step, byte or word fewer than there are.
void short_of_one(const PeakProblem& p, const PeakBuffers& b, const Target& t, Stream s) {
  right(p, b, t, s);
  auto* bytes = static_cast<std::uint8_t*>(b.output);
  if (is_arithmetic(p.unit)) static_cast<float*>(b.output)[kAccumulators - 1] -= 1;
  if (p.unit == PeakUnit::read) static_cast<std::uint64_t*>(b.output)[3] -= 1;
  if (arrays_written(p.unit) > 0) bytes[p.size - 1] ^= 1;
  if (p.unit == PeakUnit::floor) bytes[7] = 0;  // an empty launch that writes
}

void never_writes(const PeakProblem&, const PeakBuffers&, const Target&, Stream) {}

void writes_past_the_end(const PeakProblem& p, const PeakBuffers& b, const Target& t, Stream s) {
  right(p, b, t, s);
  const std::int64_t bytes = is_arithmetic(p.unit)       ? kAccumulators * 4
                             : p.unit == PeakUnit::read  ? kPeakPartials * 8
                             : p.unit == PeakUnit::floor ? 256
                                                         : p.size;
  static_cast<std::uint8_t*>(b.output)[bytes] = 1;
}

std::vector<PeakKernel> table_of(Launch launch) {
  PeakKernel kernel;
  kernel.name = "planted";
  kernel.dtypes = {DType::f32};
  kernel.default_size = 8192;
  kernel.arithmetic = [](const PeakProblem&, const Target&) { return PeakArithmetic{kAccumulators, 1, 1}; };
  kernel.supports = [](const PeakProblem&, const Target&) { return Support::yes(); };
  kernel.prepare = stateless<PeakProblem, PeakBuffers>(launch);
  return {kernel};
}

Case peak_case(const std::string& unit, std::int64_t size = 4096) {
  Case point;
  point.workload = "peak";
  point.kernel = "planted";
  point.dtype = DType::f32;
  point.cache = Cache::hot;
  point.data = Fill::integers;
  point.axes = {{"unit", unit}, {"size", size}};
  return point;
}

Check check_peak(Launch launch, const Case& point) {
  const auto kernels = table_of(launch);
  const WorkloadKind kind = peak_workload(kernels);
  const auto backend = make_cpu_backend(1);
  const auto alone = make_single_communicator();
  WorkloadContext context{*backend, *alone};
  const auto workload = kind.make(point, context);
  workload->launch(0);
  std::vector<std::int64_t> launches(std::size_t(workload->sets()), 0);
  launches[0] = 1;
  return workload->check(launches);
}

class PlantedPeak : public testing::TestWithParam<const char*> {};

TEST_P(PlantedPeak, RightKernelPasses) {
  const Check check = check_peak(right, peak_case(GetParam()));
  EXPECT_TRUE(check.ok()) << check.describe();
}

TEST_P(PlantedPeak, WorkThatIsShortOfOneIsWrong) { EXPECT_FALSE(check_peak(short_of_one, peak_case(GetParam())).ok()); }

TEST_P(PlantedPeak, OutputNeverWrittenIsWrongWhereThereIsOne) {
  EXPECT_EQ(check_peak(never_writes, peak_case(GetParam())).ok(), std::string(GetParam()) == "floor");
}

TEST_P(PlantedPeak, WritePastTheOutputIsWrong) {
  EXPECT_THAT(check_peak(writes_past_the_end, peak_case(GetParam())).describe(), HasSubstr("overwritten"));
}

INSTANTIATE_TEST_SUITE_P(Units, PlantedPeak,
                         testing::Values("fma", "tensor", "copy", "triad", "read", "write", "floor"),
                         [](const auto& info) { return std::string(info.param); });

TEST(PeakWorkload, CountsItsWork) {
  const auto kernels = table_of(right);
  const WorkloadKind kind = peak_workload(kernels);
  EXPECT_EQ(kind.work(peak_case("copy"), 1).bytes, 8192);  // read and written
  EXPECT_EQ(kind.work(peak_case("triad"), 1).bytes, 12288);
  EXPECT_EQ(kind.work(peak_case("read"), 1).bytes, 4096);
  EXPECT_EQ(kind.work(peak_case("write"), 1).bytes, 4096);
  EXPECT_EQ(kind.work(peak_case("floor"), 1).bytes, 0);
  EXPECT_EQ(kind.work(peak_case("fma"), 1).flops, 0);  // not known before there is a target
  const auto backend = make_cpu_backend(1);
  const auto alone = make_single_communicator();
  WorkloadContext context{*backend, *alone};
  EXPECT_EQ(kind.make(peak_case("fma"), context)->work().flops, 2.0 * kAccumulators * 4096);
}

TEST(PeakWorkload, SizeZeroBecomesTheKernelsOwn) {
  const auto kernels = table_of(right);
  const WorkloadKind kind = peak_workload(kernels);
  Case point = peak_case("copy", 0);
  kind.resolve(point, 1);
  EXPECT_EQ(point.number("size"), 8192);
  point = peak_case("copy", 4096);
  kind.resolve(point, 1);
  EXPECT_EQ(point.number("size"), 4096);
}

// Several processes share the host's memory: they move it at once, in a row of its own.
TEST(PeakWorkload, ProcessesMoveMemoryTogether) {
  const auto kernels = table_of(right);
  const WorkloadKind kind = peak_workload(kernels);
  const auto resolved = [&](const char* unit, int processes) {
    Case point = peak_case(unit);
    kind.resolve(point, processes);
    return point;
  };
  const Case alone = resolved("copy", 1), together = resolved("copy", 4), units = resolved("fma", 4);
  EXPECT_NE(alone.id(), together.id());
  EXPECT_EQ(kind.work(together, 4).bytes, 4 * kind.work(alone, 1).bytes);
  EXPECT_EQ(units.id(), resolved("fma", 1).id());
  EXPECT_TRUE(kind.supports(together, {}, Processes(4)).ok());
  EXPECT_THAT(kind.supports(units, {}, Processes(4)).reason, HasSubstr("one device"));
  const auto backend = make_cpu_backend(1);
  const auto single = make_single_communicator();
  WorkloadContext context{*backend, *single};
  EXPECT_EQ(kind.make(together, context)->work().bytes, 4 * kind.work(alone, 1).bytes);
}

TEST(PeakWorkload, RefusesRaggedBuffersAndFactorsThatRound) {
  const auto kernels = table_of(right);
  const WorkloadKind kind = peak_workload(kernels);
  EXPECT_THAT(kind.validate(peak_case("copy", 4097)), HasSubstr("multiple of 4096"));
  EXPECT_EQ(kind.validate(peak_case("fma", 4097)), "");
  const auto alone = make_single_communicator();
  Target cpu;
  Case point = peak_case("fma");
  EXPECT_TRUE(kind.supports(point, cpu, *alone).ok());
  point.data = Fill::normal;
  EXPECT_THAT(kind.supports(point, cpu, *alone).reason, HasSubstr("data=integers"));
  point = peak_case("copy");
  point.data = Fill::normal;
  EXPECT_TRUE(kind.supports(point, cpu, *alone).ok());
}

}  // namespace
}  // namespace assay
