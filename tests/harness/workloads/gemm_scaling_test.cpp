// GEMM with scale factors through the workload: what fits, what it counts, and faults of scaling that must be noticed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "harness/backends/backend.h"
#include "harness/communicators/communicator.h"
#include "harness/workloads/gemm.h"
#include "kernels/gemm/gemm_scaling.h"

namespace assay {
namespace {

using ::testing::HasSubstr;

using Gemm = void (*)(const GemmProblem&, const GemmBuffers&, const Target&, Stream);

/// What a planted kernel does otherwise: to factors, and to products.
struct Fault {
  std::int64_t row = 0, column = 0, block_k = 0;  // added to where a factor is looked up
  bool ignore_tensor_scale = false;
  std::int64_t skipped_from = 0, skipped_to = 0;  // of k
};

void multiply(const GemmProblem& p, const GemmBuffers& buffers, const Fault& fault) {
  const auto clamp = [](std::int64_t value, std::int64_t extent) { return std::min(value, extent - 1); };
  const float one = 1;
  GemmBuffers host = buffers;
  if (fault.ignore_tensor_scale) host.a_tensor_scale = &one;
  // a is [m, k] and b is [n, k], whatever the layout they are stored in.
  std::vector<float> a(std::size_t(p.m * p.k)), b(std::size_t(p.n * p.k));
  for (std::int64_t q = 0; q < p.k; ++q) {
    const bool skipped = q >= fault.skipped_from && q < fault.skipped_to;
    const std::int64_t factor_k = clamp(q + fault.block_k, p.k);
    for (std::int64_t i = 0; i < p.m && !skipped; ++i)
      a[std::size_t(i * p.k + q)] = float(load_element(p.a_dtype(), buffers.a, p.a_index(i, q)) *
                                          a_scale(p, host, clamp(i + fault.row, p.m), factor_k));
    for (std::int64_t j = 0; j < p.n; ++j)
      b[std::size_t(j * p.k + q)] = float(load_element(p.b_dtype(), buffers.b, p.b_index(q, j)) *
                                          b_scale(p, host, factor_k, clamp(j + fault.column, p.n)));
  }
  for (std::int64_t i = 0; i < p.m; ++i)
    for (std::int64_t j = 0; j < p.n; ++j) {
      const std::int64_t index = i * p.n + j;
      const float start = p.accumulates() ? float(load_element(p.output(), buffers.d, index)) : 0.0F;
      store_element(p.output(), buffers.d, index,
                    std::inner_product(&a[std::size_t(i * p.k)], &a[std::size_t(i * p.k)] + p.k,
                                       &b[std::size_t(j * p.k)], start));
    }
}

template <const Fault& fault>
void planted(const GemmProblem& p, const GemmBuffers& buffers, const Target&, Stream) {
  multiply(p, buffers, fault);
}

constexpr Fault kRight{}, kNextRow{1}, kNextColumnBlock{0, 128}, kNextColumn{0, 1}, kNextBlock128{0, 0, 128},
    kNextBlock32{0, 0, 32}, kNextBlock16{0, 0, 16}, kNoTensorScale{0, 0, 0, true}, kStepOf32{0, 0, 0, false, 64, 96};

std::vector<GemmKernel> table_of(Gemm function, bool coarse = false) {
  GemmKernel kernel;
  kernel.name = "planted";
  kernel.dtypes = {DType::bf16, DType::e4m3, DType::e5m2, DType::e2m1};
  kernel.supports = [](const GemmProblem&, const Target&) { return Support::yes(); };
  if (coarse) kernel.accumulation = [](const GemmProblem&, const Target&) { return hopper_8_bit_accumulation(0); };
  kernel.prepare = stateless(function);
  return {kernel};
}

Case point_of(DType dtype, const std::string& scaling, const std::string& layout = "tn", std::int64_t m = 70,
              std::int64_t n = 190, std::int64_t k = 390) {
  Case point;
  point.workload = "gemm";
  point.kernel = "planted";
  point.dtype = dtype;
  point.cache = Cache::hot;
  point.axes = {{"layout", layout}, {"m", m}, {"n", n}, {"k", k}};
  if (scaling != "none") point.axes.push_back({"scaling", scaling});
  return point;
}

Check check(const std::vector<GemmKernel>& kernels, const Case& point) {
  const WorkloadKind kind = gemm_workload(kernels);
  EXPECT_EQ(kind.validate(point), "");
  const auto backend = make_cpu_backend(1);
  const auto alone = make_single_communicator();
  WorkloadContext context{*backend, *alone};
  const auto workload = kind.make(point, context);
  for (int l = 0; l < 2; ++l) workload->launch(0);
  return workload->check({2});
}

Check check(Gemm function, const Case& point, bool coarse = false) { return check(table_of(function, coarse), point); }

struct Format {
  DType dtype;
  const char* scaling;
};
constexpr Format kFormats[] = {{DType::e4m3, "tensor"}, {DType::e5m2, "tensor"}, {DType::e4m3, "block"},
                               {DType::e5m2, "block"},  {DType::e4m3, "mx"},     {DType::e5m2, "mx"},
                               {DType::e2m1, "nv"}};

TEST(ScaledGemm, RightKernelsPass) {
  for (const Format& f : kFormats)
    for (const char* layout : {"tn", "nn", "nt"}) {
      const Check right = check(planted<kRight>, point_of(f.dtype, f.scaling, layout));
      EXPECT_TRUE(right.ok()) << name(f.dtype) << " " << f.scaling << " " << layout << ": " << right.describe();
      EXPECT_EQ(right.elements % (70 * 190), 0);
      Case adding = point_of(f.dtype, f.scaling, layout);
      if (std::string(layout) == "nt") continue;
      adding.axes.push_back({"accumulate", std::string("f32")});
      EXPECT_TRUE(check(planted<kRight>, adding).ok()) << name(f.dtype) << " " << f.scaling << " " << layout;
    }
}

TEST(ScaledGemm, TheCpusRowIsRight) {
  for (const Format& f : kFormats)
    for (const char* layout : {"tn", "nn", "nt"}) {
      Case point = point_of(f.dtype, f.scaling, layout, 134, 262, 390);
      point.kernel = "cpu_dequantized";
      const Check right = check(gemm_kernels(), point);
      EXPECT_TRUE(right.ok()) << name(f.dtype) << " " << f.scaling << " " << layout << ": " << right.describe();
      if (std::string(layout) == "nt") continue;
      point.axes.push_back({"accumulate", std::string("f32")});
      EXPECT_TRUE(check(gemm_kernels(), point).ok()) << name(f.dtype) << " " << f.scaling << " " << layout;
    }
}

TEST(ScaledGemm, DataAsTheCaseSays) {
  for (const Fill fill : {Fill::uniform, Fill::integers, Fill::zeros})
    for (const Format& f : kFormats) {
      Case point = point_of(f.dtype, f.scaling);
      point.data = fill;
      const Check right = check(planted<kRight>, point);
      EXPECT_TRUE(right.ok()) << name(f.dtype) << " " << f.scaling << " " << name(fill) << ": " << right.describe();
    }
}

TEST(ScaledGemm, ANeighboursFactorIsNoticed) {
  const Case block = point_of(DType::e4m3, "block"), mx = point_of(DType::e4m3, "mx"), nv = point_of(DType::e2m1, "nv");
  EXPECT_FALSE(check(planted<kNextRow>, block).ok());
  EXPECT_FALSE(check(planted<kNextColumnBlock>, block).ok());
  EXPECT_FALSE(check(planted<kNextBlock128>, block).ok());
  EXPECT_FALSE(check(planted<kNextRow>, mx).ok());
  EXPECT_FALSE(check(planted<kNextColumn>, mx).ok());
  EXPECT_FALSE(check(planted<kNextBlock32>, mx).ok());
  EXPECT_FALSE(check(planted<kNextRow>, nv).ok());
  EXPECT_FALSE(check(planted<kNextColumn>, nv).ok());
  EXPECT_FALSE(check(planted<kNextBlock16>, nv).ok());
  EXPECT_TRUE(check(planted<kNextColumn>, point_of(DType::e4m3, "block", "tn", 70, 100)).ok()) << "128 columns share";
  EXPECT_FALSE(check(planted<kNoTensorScale>, nv).ok());
  EXPECT_FALSE(check(planted<kNoTensorScale>, point_of(DType::e5m2, "tensor")).ok());
}

TEST(ScaledGemm, AMissingStepStandsOutOfTheCoarsestAccumulationToo) {
  const Case point = point_of(DType::e4m3, "tensor", "tn", 40, 40, 4096);
  EXPECT_FALSE(check(planted<kStepOf32>, point, true).ok());
  EXPECT_TRUE(check(planted<kRight>, point, true).ok());
  EXPECT_LT(check(planted<kRight>, point, true).error_over_allowed, check(planted<kRight>, point).error_over_allowed);
}

std::string refusal(const Case& point) {
  const auto kernels = table_of(planted<kRight>);
  return gemm_workload(kernels).validate(point);
}

TEST(ScaledGemm, ScalingMustFitTheType) {
  EXPECT_EQ(refusal(point_of(DType::bf16, "none")), "");
  EXPECT_EQ(refusal(point_of(DType::e4m3, "none")), "e4m3 goes with scaling tensor, block or mx, not none");
  EXPECT_EQ(refusal(point_of(DType::e5m2, "nv")), "e5m2 goes with scaling tensor, block or mx, not nv");
  EXPECT_EQ(refusal(point_of(DType::e2m1, "mx")), "e2m1 goes with scaling nv, not mx");
  EXPECT_EQ(refusal(point_of(DType::bf16, "tensor")), "bf16 goes with scaling none, not tensor");
}

TEST(ScaledGemm, HalfBytesNeedEvenRows) {
  EXPECT_THAT(refusal(point_of(DType::e2m1, "nv", "tn", 3, 5, 17)), HasSubstr("even number of elements"));
  EXPECT_EQ(refusal(point_of(DType::e2m1, "nv", "tn", 3, 5, 18)), "");
  EXPECT_THAT(refusal(point_of(DType::e2m1, "nv", "nn", 3, 5, 18)), HasSubstr("18 (a) and 5 (b)"));
  EXPECT_EQ(refusal(point_of(DType::e2m1, "nv", "nt", 4, 6, 17)), "");
}

TEST(ScaledGemm, WgradAddsByItself) {
  Case point = point_of(DType::bf16, "none", "nt");
  point.axes.push_back({"accumulate", std::string("f32")});
  EXPECT_THAT(refusal(point), HasSubstr("leave accumulate at auto"));
}

TEST(ScaledGemm, CountsFactorsAndHalfBytes) {
  const auto kernels = table_of(planted<kRight>);
  const WorkloadKind kind = gemm_workload(kernels);
  const auto bytes = [&](DType dtype, const char* scaling) {
    return kind.work(point_of(dtype, scaling, "tn", 256, 384, 512), 1).bytes;
  };
  const double plain = 256 * 512 + 384 * 512 + 2 * 256 * 384;
  EXPECT_EQ(bytes(DType::e4m3, "tensor"), plain + 8);
  EXPECT_EQ(bytes(DType::e4m3, "block"), plain + 4 * (4 * 256 + 3 * 4));
  EXPECT_EQ(bytes(DType::e5m2, "mx"), plain + (256 + 384) * 16);
  EXPECT_EQ(bytes(DType::e2m1, "nv"), (256 * 512 + 384 * 512) / 2 + 2 * 256 * 384 + (256 + 384) * 32 + 8);
  EXPECT_THAT(kind.work(point_of(DType::e4m3, "mx"), 1).convention, HasSubstr("scale factors"));
  Case adding = point_of(DType::e4m3, "tensor", "tn", 256, 384, 512);
  adding.axes.push_back({"accumulate", std::string("f32")});
  EXPECT_EQ(kind.work(adding, 1).bytes, 256 * 512 + 384 * 512 + 8 * 256 * 384 + 8);
}

TEST(ScaledGemm, AConfigurationIsAKernelsOwn) {
  auto kernels = table_of(planted<kRight>);
  const auto alone = make_single_communicator();
  Case point = point_of(DType::bf16, "none");
  point.axes.push_back({"config", std::string("128x256")});
  EXPECT_THAT(gemm_workload(kernels).supports(point, Target{}, *alone).reason,
              HasSubstr("planted has no configurations to choose \"128x256\" from"));
  kernels[0].explain = [](const GemmProblem& problem, const Target&) { return problem.config; };
  kernels[0].supports = [](const GemmProblem& problem, const Target&) {
    return Support::no("asked for " + problem.config);
  };
  EXPECT_EQ(gemm_workload(kernels).supports(point, Target{}, *alone).reason, "asked for 128x256");
}

TEST(ScaledGemm, WhatPacksNothingIsNotMeasuredAsPrepacked) {
  auto kernels = table_of(planted<kRight>);
  const auto alone = make_single_communicator();
  Case point = point_of(DType::bf16, "none");
  EXPECT_TRUE(gemm_workload(kernels).supports(point, Target{}, *alone).ok());
  point.axes.push_back({"weights", std::string("prepacked")});
  EXPECT_THAT(gemm_workload(kernels).supports(point, Target{}, *alone).reason,
              HasSubstr("planted arranges no weights beforehand"));
  kernels[0].packs_weights = true;
  EXPECT_TRUE(gemm_workload(kernels).supports(point, Target{}, *alone).ok());
}

}  // namespace
}  // namespace assay
