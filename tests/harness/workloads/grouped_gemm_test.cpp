// The grouped GEMM workload: what it says of kernels that are wrong, and how it counts.
#include "harness/workloads/grouped_gemm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "harness/backends/backend.h"
#include "harness/communicators/communicator.h"

namespace assay {
namespace {

using Function = void (*)(const GroupedGemmProblem&, const GroupedGemmBuffers&, const Target&, Stream);

/// Element (i, j) of each group's product, by the textbook loop; right on every shape.
template <class Store>
void for_each_element(const GroupedGemmProblem& p, const GroupedGemmBuffers& buffers, Store store) {
  const auto first = p.first_rows();
  for (int g = 0; g < p.groups(); ++g) {
    if (p.rows[std::size_t(g)] == 0) continue;
    const GemmProblem gemm = p.gemm_of_rows(p.rows[std::size_t(g)]);
    const GemmBuffers group = buffers_of_group(p, buffers, g, first[std::size_t(g)]);
    for (std::int64_t i = 0; i < gemm.m; ++i)
      for (std::int64_t j = 0; j < gemm.n; ++j) {
        float sum = 0;
        for (std::int64_t l = 0; l < gemm.k; ++l)
          sum += float(load_element(p.dtype, group.a, gemm.a_index(i, l))) *
                 float(load_element(p.dtype, group.b, gemm.b_index(l, j)));
        store(gemm, group, g, i, j, sum);
      }
  }
}

void add_or_store(const GemmProblem& gemm, const GemmBuffers& group, std::int64_t i, std::int64_t j, float sum) {
  if (gemm.accumulates()) sum += float(load_element(gemm.output(), group.d, i * gemm.n + j));
  store_element(gemm.output(), group.d, i * gemm.n + j, sum);
}

void right(const GroupedGemmProblem& p, const GroupedGemmBuffers& b, const Target&, Stream) {
  for_each_element(p, b, [](const auto& gemm, const auto& group, int, auto i, auto j, float sum) {
    add_or_store(gemm, group, i, j, sum);
  });
}

void forgets_the_last_group(const GroupedGemmProblem& p, const GroupedGemmBuffers& b, const Target&, Stream) {
  int last = 0;
  for (int g = 0; g < p.groups(); ++g)
    if (p.rows[std::size_t(g)] > 0) last = g;
  for_each_element(p, b, [&](const auto& gemm, const auto& group, int g, auto i, auto j, float sum) {
    if (g != last) add_or_store(gemm, group, i, j, sum);
  });
}

// Takes the weights (wgrad: adds to the gradient) of the next expert.
void mistakes_the_expert(const GroupedGemmProblem& p, const GroupedGemmBuffers& b, const Target&, Stream) {
  for_each_element(p, b, [&](const auto& gemm, auto group, int g, auto i, auto j, float sum) {
    const GemmBuffers next = buffers_of_group(p, b, (g + 1) % p.groups(), 0);
    if (gemm.accumulates()) {
      group.d = next.d;
    } else {
      sum = 0;
      for (std::int64_t l = 0; l < gemm.k; ++l)
        sum += float(load_element(p.dtype, group.a, gemm.a_index(i, l))) *
               float(load_element(p.dtype, next.b, gemm.b_index(l, j)));
    }
    add_or_store(gemm, group, i, j, sum);
  });
}

// An empty group's gradient becomes zero: what a kernel that overwrites instead of adding does.
void clears_empty_groups(const GroupedGemmProblem& p, const GroupedGemmBuffers& b, const Target& t, Stream s) {
  right(p, b, t, s);
  if (p.pass != GroupedPass::wgrad) return;
  for (int g = 0; g < p.groups(); ++g)
    if (p.rows[std::size_t(g)] == 0)
      for (std::int64_t i = 0; i < p.n * p.k; ++i) static_cast<float*>(b.d)[g * p.n * p.k + i] = 0;
}

void one_nan(const GroupedGemmProblem& p, const GroupedGemmBuffers& b, const Target& t, Stream s) {
  right(p, b, t, s);
  for (int g = 0; g < p.groups(); ++g)
    if (p.rows[std::size_t(g)] > 0) {
      const GemmBuffers group = buffers_of_group(p, b, g, p.first_rows()[std::size_t(g)]);
      return store_element(p.output(), group.d, 0, std::numeric_limits<double>::quiet_NaN());
    }
}

void writes_past_the_end(const GroupedGemmProblem& p, const GroupedGemmBuffers& b, const Target& t, Stream s) {
  right(p, b, t, s);
  store_element(p.output(), b.d, elements_of(p, p.first_rows().back()).d, 0);
}

void fills_padding(const GroupedGemmProblem& p, const GroupedGemmBuffers& b, const Target& t, Stream s) {
  right(p, b, t, s);
  if (p.pass == GroupedPass::wgrad) return;
  const std::int64_t width = p.pass == GroupedPass::forward ? p.n : p.k;
  for (int g = 0; g < p.groups(); ++g)
    for (std::int64_t i = (p.first_rows()[std::size_t(g)] + p.rows[std::size_t(g)]) * width;
         i < p.first_rows()[std::size_t(g) + 1] * width; ++i)
      store_element(p.output(), b.d, i, 42);
}

// Believes the row counts on the device, which must be the problem's.
void reads_the_device_counts(const GroupedGemmProblem& p, const GroupedGemmBuffers& b, const Target& t, Stream s) {
  GroupedGemmProblem believed = p;
  believed.rows.assign(b.rows, b.rows + p.groups());
  right(believed, b, t, s);
}

std::vector<GroupedGemmKernel> table_of(Function function) {
  GroupedGemmKernel kernel;
  kernel.name = "planted";
  kernel.dtypes = {DType::f32, DType::bf16, DType::f16};
  kernel.supports = [](const GroupedGemmProblem&, const Target&) { return Support::yes(); };
  kernel.prepare = stateless(function);
  return {kernel};
}

Case case_of(const std::string& pass, const std::string& routing, std::int64_t groups, std::int64_t rows, DType dtype) {
  Case point;
  point.workload = "grouped_gemm";
  point.kernel = "planted";
  point.dtype = dtype;
  point.cache = Cache::hot;
  point.axes = {{"pass", pass}, {"routing", routing},    {"groups", groups},
                {"rows", rows}, {"n", std::int64_t(24)}, {"k", std::int64_t(17)}};
  return point;
}

Check check_case(Function function, const Case& point, int launches = 3) {
  const auto kernels = table_of(function);
  const WorkloadKind kind = grouped_gemm_workload(kernels);
  EXPECT_EQ(kind.validate(point), "");
  const auto backend = make_cpu_backend(1);
  const auto alone = make_single_communicator();
  WorkloadContext context{*backend, *alone};
  const auto workload = kind.make(point, context);
  for (int l = 0; l < launches; ++l) workload->launch(0);
  return workload->check({launches});
}

class PlantedGroupedGemm : public testing::TestWithParam<std::tuple<const char*, DType>> {
 protected:
  bool wgrad() const { return std::string(std::get<0>(GetParam())) == "wgrad"; }
  Check check(Function function, const char* routing = "skewed") const {
    return check_case(function, case_of(std::get<0>(GetParam()), routing, 5, 200, std::get<1>(GetParam())));
  }
};

TEST_P(PlantedGroupedGemm, RightKernelsPassUnderEveryRouting) {
  for (const char* routing : {"balanced", "uneven", "skewed"})
    for (const Function function : {right, fills_padding, reads_the_device_counts}) {
      const Check found = check(function, routing);
      EXPECT_TRUE(found.ok()) << routing << ": " << found.describe();
    }
}

TEST_P(PlantedGroupedGemm, AForgottenGroupIsWrongAndNamed) {
  const Check found = check(forgets_the_last_group);
  EXPECT_FALSE(found.ok());
  EXPECT_THAT(found.describe(), testing::HasSubstr("of group"));
}

TEST_P(PlantedGroupedGemm, TheWrongExpertIsWrong) { EXPECT_FALSE(check(mistakes_the_expert, "balanced").ok()); }

TEST_P(PlantedGroupedGemm, AChangedGradientOfAnEmptyGroupIsWrong) {
  const Check found = check(clears_empty_groups);
  EXPECT_EQ(found.ok(), !wgrad());
  if (wgrad()) {
    EXPECT_THAT(found.describe(), testing::HasSubstr("which has no rows, was changed"));
  }
}

TEST_P(PlantedGroupedGemm, NanIsWrong) { EXPECT_THAT(check(one_nan).describe(), testing::HasSubstr("nan")); }

TEST_P(PlantedGroupedGemm, WritePastTheOutputIsWrong) {
  EXPECT_THAT(check(writes_past_the_end).describe(), testing::HasSubstr("memory after d"));
}

INSTANTIATE_TEST_SUITE_P(PassesAndTypes, PlantedGroupedGemm,
                         testing::Combine(testing::Values("forward", "dgrad", "wgrad"),
                                          testing::Values(DType::f32, DType::bf16, DType::f16)),
                         [](const auto& info) {
                           return std::string(std::get<0>(info.param)) + "_" + name(std::get<1>(info.param));
                         });

TEST(GroupedGemmWorkload, EveryCpuKernelOfTheBuildIsRight) {
  const WorkloadKind kind = grouped_gemm_workload(grouped_gemm_kernels());
  const auto backend = make_cpu_backend(2);
  const auto alone = make_single_communicator();
  WorkloadContext context{*backend, *alone};
  for (const auto& spec : kind.kernels)
    for (const char* pass : {"forward", "dgrad", "wgrad"}) {
      if (spec.device != Device::cpu) continue;
      Case point = case_of(pass, "skewed", 6, 500, DType::f32);
      point.kernel = spec.name;
      const auto workload = kind.make(point, context);
      workload->launch(0);
      const Check check = workload->check({1});
      EXPECT_TRUE(check.ok()) << point.id() << ": " << check.describe();
    }
}

TEST(GroupedGemmWorkload, CountsRowsThatAreNoPaddingAndExpertsThatHaveRows) {
  const WorkloadKind kind = grouped_gemm_workload(grouped_gemm_kernels());
  const Work forward = kind.work(case_of("forward", "skewed", 4, 1000, DType::bf16), 1);
  EXPECT_DOUBLE_EQ(forward.flops, 2.0 * 1000 * 24 * 17);
  EXPECT_DOUBLE_EQ(forward.bytes, 2 * (1000 * (24 + 17) + 3 * 24 * 17));  // one of four has none
  const Work wgrad = kind.work(case_of("wgrad", "skewed", 4, 1000, DType::bf16), 1);
  EXPECT_DOUBLE_EQ(wgrad.flops, forward.flops);
  EXPECT_DOUBLE_EQ(wgrad.bytes, 2 * 1000 * (24 + 17) + 8 * 3 * 24 * 17);
}

TEST(GroupedGemmWorkload, ShapeBeyond64BitsIsRefused) {
  const WorkloadKind kind = grouped_gemm_workload(grouped_gemm_kernels());
  Case point = case_of("forward", "uneven", 4, std::int64_t(1) << 30, DType::f32);
  point.axes[4].value = std::int64_t(1) << 32;
  EXPECT_THAT(kind.validate(point), testing::HasSubstr("rows=1073741824"));
}

}  // namespace
}  // namespace assay
