// What the workloads say of kernels that are wrong: each planted fault must be named, and a right kernel must pass.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "harness/backends/backend.h"
#include "harness/communicators/communicator.h"
#include "harness/workloads/gemm.h"

namespace assay {
namespace {

using Gemm = void (*)(const GemmProblem&, const GemmBuffers&, const Target&, Stream);

// The textbook triple loop in fp32: right on every shape.
void right(const GemmProblem& p, const GemmBuffers& buffers, const Target&, Stream) {
  for (std::int64_t i = 0; i < p.m; ++i)
    for (std::int64_t j = 0; j < p.n; ++j) {
      float sum = 0;
      for (std::int64_t l = 0; l < p.k; ++l)
        sum += float(load_element(p.dtype, buffers.a, p.a_index(i, l))) *
               float(load_element(p.dtype, buffers.b, p.b_index(l, j)));
      if (p.accumulates()) sum += float(load_element(p.output(), buffers.d, i * p.n + j));
      store_element(p.output(), buffers.d, i * p.n + j, sum);
    }
}

void one_element_off(const GemmProblem& p, const GemmBuffers& b, const Target& t, Stream s) {
  right(p, b, t, s);
  const std::int64_t victim = p.m * p.n - 1;
  store_element(p.output(), b.d, victim, load_element(p.output(), b.d, victim) + 1);
}

void one_nan(const GemmProblem& p, const GemmBuffers& b, const Target& t, Stream s) {
  right(p, b, t, s);
  store_element(p.output(), b.d, p.n - 1, std::numeric_limits<double>::quiet_NaN());
}

void never_writes(const GemmProblem&, const GemmBuffers&, const Target&, Stream) {}

void drops_last_k(const GemmProblem& p, const GemmBuffers& b, const Target&, Stream) {
  for (std::int64_t i = 0; i < p.m; ++i)
    for (std::int64_t j = 0; j < p.n; ++j) {
      float sum = p.accumulates() ? float(load_element(p.output(), b.d, i * p.n + j)) : 0.0F;
      for (std::int64_t l = 0; l + 1 < p.k; ++l)
        sum += float(load_element(p.dtype, b.a, p.a_index(i, l))) * float(load_element(p.dtype, b.b, p.b_index(l, j)));
      store_element(p.output(), b.d, i * p.n + j, sum);
    }
}

void writes_past_the_end(const GemmProblem& p, const GemmBuffers& b, const Target& t, Stream s) {
  right(p, b, t, s);
  store_element(p.output(), b.d, p.m * p.n, 0);
}

// Wrong once in many launches: what a flaky unit or a race looks like.  Only an accumulated output can show it.
void overwrites_instead_of_adding(const GemmProblem& p, const GemmBuffers& b, const Target& t, Stream s) {
  GemmProblem fresh = p;
  if (p.accumulates()) std::memset(b.d, 0, std::size_t(p.m * p.n) * sizeof(float));
  right(fresh, b, t, s);
}

std::vector<GemmKernel> table_of(Gemm function) {
  GemmKernel kernel;
  kernel.name = "planted";
  kernel.dtypes = {DType::f32, DType::bf16, DType::f16, DType::tf32};
  kernel.supports = [](const GemmProblem&, const Target&) { return Support::yes(); };
  kernel.prepare = stateless(function);
  return {kernel};
}

Case gemm_case(const std::string& layout, std::int64_t m, std::int64_t n, std::int64_t k, DType dtype) {
  Case point;
  point.workload = "gemm";
  point.kernel = "planted";
  point.dtype = dtype;
  point.cache = Cache::hot;
  point.axes = {{"layout", layout}, {"m", m}, {"n", n}, {"k", k}};
  return point;
}

Check check_gemm(Gemm function, const Case& point, int launches = 3) {
  const auto kernels = table_of(function);
  const WorkloadKind kind = gemm_workload(kernels);
  const auto backend = make_cpu_backend(1);
  const auto alone = make_single_communicator();
  WorkloadContext context{*backend, *alone};
  const auto workload = kind.make(point, context);
  std::vector<std::int64_t> counts(std::size_t(workload->sets()), 0);
  for (int l = 0; l < launches; ++l) {
    const int set = l % workload->sets();
    workload->launch(set);
    ++counts[std::size_t(set)];
  }
  return workload->check(counts);
}

class PlantedGemm : public testing::TestWithParam<std::tuple<const char*, DType>> {
 protected:
  Case point(std::int64_t m = 33, std::int64_t n = 17, std::int64_t k = 45) const {
    return gemm_case(std::get<0>(GetParam()), m, n, k, std::get<1>(GetParam()));
  }
  bool accumulates() const { return std::string(std::get<0>(GetParam())) == "nt"; }
};

TEST_P(PlantedGemm, RightKernelPasses) {
  for (const auto& [m, n, k] : {std::tuple{33, 17, 45}, {1, 1, 1}, {1, 70, 3}, {70, 1, 300}}) {
    const Check check = check_gemm(right, point(m, n, k), 50);
    EXPECT_TRUE(check.ok()) << m << "x" << n << "x" << k << ": " << check.describe();
    EXPECT_GE(check.elements, std::int64_t(m) * n);
  }
}

TEST_P(PlantedGemm, OneElementOffIsNamed) {
  const Check check = check_gemm(one_element_off, point());
  EXPECT_FALSE(check.ok());
  EXPECT_THAT(check.describe(), testing::HasSubstr("d[32, 16]"));
}

TEST_P(PlantedGemm, NanIsWrong) {
  const Check check = check_gemm(one_nan, point());
  EXPECT_FALSE(check.ok());
  EXPECT_THAT(check.describe(), testing::HasSubstr("d[0, 16]"));
  EXPECT_THAT(check.describe(), testing::HasSubstr("nan"));
}

TEST_P(PlantedGemm, OutputNeverWrittenIsWrong) { EXPECT_FALSE(check_gemm(never_writes, point()).ok()); }

TEST_P(PlantedGemm, MissingProductIsWrong) { EXPECT_FALSE(check_gemm(drops_last_k, point()).ok()); }

TEST_P(PlantedGemm, WritePastTheOutputIsWrong) {
  EXPECT_THAT(check_gemm(writes_past_the_end, point()).describe(), testing::HasSubstr("overwritten"));
}

TEST_P(PlantedGemm, OverwritingInsteadOfAddingIsWrongWhereItMatters) {
  EXPECT_EQ(check_gemm(overwrites_instead_of_adding, point()).ok(), !accumulates());
}

INSTANTIATE_TEST_SUITE_P(LayoutsAndTypes, PlantedGemm,
                         testing::Combine(testing::Values("tn", "nn", "nt"),
                                          testing::Values(DType::f32, DType::tf32, DType::bf16, DType::f16)),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param)) + "_" + name(std::get<1>(info.param));
                         });

TEST(GemmWorkload, ColdRotatesEnoughToLeaveTheCache) {
  const auto kernels = table_of(right);
  const WorkloadKind kind = gemm_workload(kernels);
  const auto backend = make_cpu_backend(1);
  Case point = gemm_case("tn", 256, 256, 256, DType::f32);
  point.cache = Cache::cold;
  const std::size_t bytes = kind.set_bytes(point);
  const int sets = rotation_sets(point, bytes, *backend);
  EXPECT_GE(double(sets) * double(bytes), 2.0 * double(backend->last_level_cache_bytes()));
  point.cache = Cache::hot;
  EXPECT_EQ(rotation_sets(point, bytes, *backend), 1);
}

TEST(GemmWorkload, ShapeBeyondMemoryIsRefusedWithSizes) {
  const auto backend = make_cpu_backend(1);
  EXPECT_THROW(rotation_sets(gemm_case("tn", 1, 1, 1, DType::f32), std::size_t(1) << 50, *backend), std::exception);
}

TEST(GemmWorkload, ShapeBeyond64BitsIsRefused) {
  const auto kernels = table_of(right);
  const WorkloadKind kind = gemm_workload(kernels);
  EXPECT_THAT(kind.validate(gemm_case("tn", std::int64_t(1) << 30, std::int64_t(1) << 30, 8, DType::f32)),
              testing::HasSubstr("m=1073741824"));
  EXPECT_EQ(kind.validate(gemm_case("tn", 131072, 131072, 131072, DType::f32)), "");
}

TEST(GemmWorkload, CountsItsWork) {
  const auto kernels = table_of(right);
  const WorkloadKind kind = gemm_workload(kernels);
  const Work forward = kind.work(gemm_case("tn", 3, 5, 7, DType::bf16), 1);
  EXPECT_DOUBLE_EQ(forward.flops, 2 * 3 * 5 * 7);
  EXPECT_DOUBLE_EQ(forward.bytes, 2 * (3 * 7 + 5 * 7 + 3 * 5));
  const Work wgrad = kind.work(gemm_case("nt", 3, 5, 7, DType::bf16), 1);
  EXPECT_DOUBLE_EQ(wgrad.bytes, 2 * (3 * 7 + 5 * 7) + 4 * 2 * 3 * 5);
}

}  // namespace
}  // namespace assay
