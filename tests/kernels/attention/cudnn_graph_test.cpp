// cuDNN's attention without a GPU: the operation graphs build, and the library's heuristic has engines for them on the
// devices that we describe to it.  Nothing is executed: the driver is the toolkit's stub, under the name of the real
// one, so that the library gets as far as loading a kernel.  Skipped where cuDNN or the stub is not installed.
#include <dlfcn.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "kernels/attention/vendor/cudnn_attention_graph.h"
#include "tests/kernels/attention/cudnn_graph_values.h"

namespace assay {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

const CudnnLibrary& cudnn() {
  std::string reason;
  const CudnnLibrary* library = cudnn_library(reason);
  if (!library) throw std::runtime_error(reason);
  return *library;
}

struct Gpu {
  int capability, multiprocessors, shared_bytes, l2_mebibytes;
};
constexpr Gpu kA100{80, 108, 166912, 40}, kH200{90, 132, 232448, 60}, kB200{100, 148, 232448, 126};

/// The library's own form of what it would ask a device.
CudnnDescriptor described(const Gpu& gpu) {
  const std::string json = fmt::format(
      R"({{"maxGridSize":[2147483647,65535,65535],"maxBlockSize":[1024,1024,64],"regsPerBlock":65536,)"
      R"("multiProcessorCount":{},"warpSize":32,"maxSharedMemoryPerBlock":49152,"maxSharedMemoryPerBlockOptin":{},)"
      R"("reservedSharedMemoryPerBlock":1024,"maxRegistersPerSM":65536,"maxCtasPerSM":32,"maxThreadsPerBlock":1024,)"
      R"("maxThreadsPerSM":2048,"pciDeviceId":0,"isTccDriver":0,"supportCoopLaunch":1,"totalGlobalMem":80000000000,)"
      R"("smClockRateKHz":1980000,"memClockRateKHz":2619000,"l2CacheSize":{},"cudaDeviceId":0,"deviceVer":{},)"
      R"("driverVer":13000,"deviceName":"described"}})",
      gpu.multiprocessors, gpu.shared_bytes, gpu.l2_mebibytes << 20, gpu.capability * 10);
  CudnnDescriptor device(cudnn(), CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, "the described device");
  device.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, static_cast<std::int64_t>(json.size()),
             json.data());
  device.finalize();
  return device;
}

AttentionProblem problem(AttentionPass pass, std::int64_t head_dim, std::int64_t value_dim) {
  AttentionProblem p;
  p.pass = pass;
  p.batch = 2;
  p.heads = p.kv_heads = 8;
  p.seq_q = p.seq_kv = 1024;
  p.head_dim = head_dim;
  p.head_dim_v = value_dim;
  p.dtype = DType::bf16;
  return p;
}

std::string text(const AttentionProblem& p, const Gpu& gpu) {
  return fmt::format("{} on sm_{}: heads {}/{}, {} x {}, widths {} and {}, {}, window {}, {}{}", name(p.pass),
                     gpu.capability, p.heads, p.kv_heads, p.seq_q, p.seq_kv, p.head_dim, p.value_dim(),
                     p.causal ? "causal" : "full", p.window, name(p.dtype), p.deterministic ? ", deterministic" : "");
}

std::vector<std::string> engines(const AttentionProblem& p, const Gpu& gpu) {
  const CudnnDescriptor device = described(gpu);
  const CudnnGraph graph = cudnn_attention_graph(cudnn(), {nullptr, &device}, p);
  std::vector<std::string> names;
  for (const CudnnDescriptor& config : graph.engine_configs()) names.push_back(describe_cudnn_engine(config));
  return names;
}

/// The masks and groups of heads that the row takes, of one width.
std::vector<AttentionProblem> variants(AttentionPass pass, std::int64_t head_dim, std::int64_t value_dim) {
  const AttentionProblem full = problem(pass, head_dim, value_dim);
  AttentionProblem grouped = full, causal = full, longer = full, windowed = full;
  grouped.kv_heads = 2;
  causal.causal = longer.causal = windowed.causal = true;
  causal.kv_heads = 2;
  causal.dtype = DType::f16;
  longer.seq_kv = windowed.seq_kv = 1536;
  windowed.window = 100;
  windowed.kv_heads = 1;
  std::vector<AttentionProblem> all{full, grouped, causal, longer, windowed};
  if (pass == AttentionPass::backward) {
    AttentionProblem deterministic = causal;
    deterministic.deterministic = true;
    all.push_back(deterministic);
  }
  return all;
}

struct Widths {
  std::int64_t head_dim, value_dim;
};
constexpr Widths kWidths[] = {{64, 64}, {128, 128}, {192, 128}, {256, 256}, {36, 36}};

// What we refuse is what the library has no engine for, and nothing else: so every graph is the one it looks for, and
// no table of ours keeps a problem from it.  But for one: deterministic backward on Blackwell, where the engine that
// the heuristic offers is the one made for the A100.
TEST(CudnnAttentionGraph, WhatIsSupportedHasEnginesAndNothingElseHas) {
  int with_engine = 0, without = 0;
  for (const Gpu& gpu : {kA100, kH200, kB200})
    for (const AttentionPass pass : {AttentionPass::forward, AttentionPass::backward})
      for (const Widths& widths : kWidths)
        for (const AttentionProblem& p : variants(pass, widths.head_dim, widths.value_dim)) {
          if (p.deterministic && gpu.capability >= 100) continue;
          SCOPED_TRACE(text(p, gpu));
          const Support support = cudnn_attention_support(p, gpu.capability, cudnn().get_version());
          const auto found = engines(p, gpu);
          EXPECT_EQ(support.ok(), !found.empty()) << support.reason;
          for (const std::string& engine : found) EXPECT_THAT(engine, StartsWith("engine "));
          ++(found.empty() ? without : with_engine);
        }
  EXPECT_GE(with_engine, 100);  // of 160
  EXPECT_GE(without, 30);
}

TEST(CudnnAttentionGraph, OddLengthsHaveEngines) {
  for (const AttentionPass pass : {AttentionPass::forward, AttentionPass::backward})
    for (const std::int64_t seq : {2, 1000, 131072}) {
      AttentionProblem p = problem(pass, 128, 128);
      p.causal = true;
      p.seq_q = p.seq_kv = seq;
      if (!cudnn_attention_support(p, 90, cudnn().get_version()).ok()) continue;  // backward before 9.16
      EXPECT_FALSE(engines(p, kH200).empty()) << text(p, kH200);
    }
}

TEST(CudnnAttentionGraph, HasTheOperationsAndTensorsOfItsPass) {
  const CudnnDescriptor device = described(kH200);
  const auto graph = [&](const AttentionProblem& p) { return cudnn_attention_graph(cudnn(), {nullptr, &device}, p); };
  const auto ids = [](std::initializer_list<CudnnOperand> operands) {
    std::vector<CudnnGraph::Tensor> out;
    for (const CudnnOperand operand : operands) out.push_back(static_cast<CudnnGraph::Tensor>(operand));
    return out;
  };
  using enum CudnnOperand;
  AttentionProblem p = problem(AttentionPass::forward, 128, 128);
  EXPECT_EQ(graph(p).steps().size(), 10u);
  EXPECT_THAT(graph(p).tensors_in_memory(), ::testing::UnorderedElementsAreArray(ids({q, k, v, o, lse})));
  p.causal = true;
  EXPECT_EQ(graph(p).steps().size(), 14u);
  EXPECT_EQ(cudnn_delta_bytes(p) + cudnn_dq_sum_bytes(p), 0u);
  p.pass = AttentionPass::backward;
  p.kv_heads = 2;
  EXPECT_EQ(graph(p).steps().size(), 24u);
  EXPECT_THAT(graph(p).tensors_in_memory(),
              ::testing::UnorderedElementsAreArray(ids({q, k, v, o, lse, d_o, dq, dk, dv, delta, dq_sum})));
  EXPECT_EQ(cudnn_delta_bytes(p), 4u * 2 * 8 * 1024);
  EXPECT_EQ(cudnn_dq_sum_bytes(p), 4u * 2 * 8 * 1024 * 128);
  p.deterministic = true;
  EXPECT_EQ(graph(p).steps().size(), 23u);
  EXPECT_THAT(graph(p).tensors_in_memory(),
              ::testing::UnorderedElementsAreArray(ids({q, k, v, o, lse, d_o, dq, dk, dv, delta})));
  EXPECT_EQ(cudnn_dq_sum_bytes(p), 0u);
}

TEST(CudnnAttentionGraph, ConstantsAreTheScaleAndTheMasksNumbers) {
  const CudnnDescriptor device = described(kH200);
  AttentionProblem p = problem(AttentionPass::forward, 64, 64);
  const CudnnGraph graph = cudnn_attention_graph(cudnn(), {nullptr, &device}, p);
  ASSERT_EQ(graph.constants().size(), 1u);
  EXPECT_EQ(*static_cast<const float*>(graph.constants().begin()->second), 0.125f);  // 1 / sqrt(64)
}

// An engine goes all the way to the driver, which is a stub: error 34, CUDA_ERROR_STUB_LIBRARY.
TEST(CudnnAttentionGraph, AnEngineTakesTheGraphUntilTheDriver) {
  const CudnnDescriptor device = described(kH200);
  for (const AttentionPass pass : {AttentionPass::forward, AttentionPass::backward}) {
    AttentionProblem p = problem(pass, 128, 128);
    p.causal = true;
    const CudnnGraph graph = cudnn_attention_graph(cudnn(), {nullptr, &device}, p);
    const auto configs = graph.engine_configs();
    ASSERT_FALSE(configs.empty());
    try {
      graph.plan(configs.front());
      ADD_FAILURE() << "a plan without a driver";
    } catch (const std::runtime_error& error) {
      EXPECT_THAT(error.what(), HasSubstr("the execution plan: CUDNN_STATUS_EXECUTION_FAILED_CUDA_DRIVER"));
      EXPECT_THAT(error.what(), HasSubstr("34"));
    }
  }
}

/// A small problem with its tensors on the host, in its type (bf16), and what the graph makes of them in fp64.
class Computed {
 public:
  explicit Computed(const AttentionProblem& p) : p_(p) {
    fill(q_, p.q_elements(), 1), fill(k_, p.k_elements(), 2), fill(v_, p.v_elements(), 3);
    fill(o_, p.o_elements(), 4), fill(d_o_, p.o_elements(), 5);
    for (std::int64_t i = 0; i < p.lse_elements(); ++i) lse_.push_back(2 + 0.125f * static_cast<float>(i % 7));
    host_.q = q_.data(), host_.k = k_.data(), host_.v = v_.data(), host_.d_o = d_o_.data();
    host_.o = o_.data(), host_.lse = lse_.data();
  }
  const AttentionBuffers& host() const { return host_; }
  GraphValues values(const CudnnGraph& graph) const {
    using enum CudnnOperand;
    std::map<CudnnGraph::Tensor, GraphMemory> inputs;
    const auto give = [&](CudnnOperand operand, const auto& array, auto convert) {
      GraphMemory& memory = inputs[static_cast<CudnnGraph::Tensor>(operand)];
      for (const auto element : array) memory.push_back(convert(element));
    };
    give(q, q_, bf16_to_float), give(k, k_, bf16_to_float), give(v, v_, bf16_to_float);
    if (p_.pass == AttentionPass::backward) {
      give(o, o_, bf16_to_float), give(d_o, d_o_, bf16_to_float);
      give(lse, lse_, [](float x) { return x; });
    }
    return GraphValues(graph, std::move(inputs));
  }

 private:
  static void fill(std::vector<std::uint16_t>& array, std::int64_t elements, unsigned seed) {
    std::minstd_rand random(seed);
    for (std::int64_t i = 0; i < elements; ++i)
      array.push_back(float_to_bf16(static_cast<float>(random() % 64) / 16 - 2));
  }
  AttentionProblem p_;
  std::vector<std::uint16_t> q_, k_, v_, o_, d_o_;
  std::vector<float> lse_;
  AttentionBuffers host_;
};

// In fp64 the graph differs from the reference by what its scale is rounded to in fp32.
constexpr double kNear = 1e-5;

void expect_near(const GraphMemory& memory, std::int64_t first, const std::vector<double>& expected, const char* what) {
  for (std::size_t c = 0; c < expected.size(); ++c)
    EXPECT_NEAR(memory.at(static_cast<std::size_t>(first) + c), expected[c], kNear)
        << what << " " << first + std::int64_t(c);
}

void expect_forward(const AttentionProblem& p, const AttentionBuffers& host, const GraphValues& values) {
  const GraphMemory &o = values.at(static_cast<CudnnGraph::Tensor>(CudnnOperand::o)),
                    &lse = values.at(static_cast<CudnnGraph::Tensor>(CudnnOperand::lse));
  for (std::int64_t b = 0; b < p.batch; ++b)
    for (std::int64_t h = 0; h < p.heads; ++h)
      for (std::int64_t i = 0; i < p.seq_q; ++i) {
        const AttentionRow row = attention_reference(p, host.q, host.k, host.v, b, h, i);
        expect_near(o, p.o_index(b, i, h), row.o, "o");
        expect_near(lse, p.lse_index(b, h, i), {row.lse}, "lse");
      }
}

void expect_backward(const AttentionProblem& p, const AttentionBuffers& host, const GraphValues& values) {
  const auto at = [&](CudnnOperand operand) { return values.at(static_cast<CudnnGraph::Tensor>(operand)); };
  const GraphMemory dq = at(CudnnOperand::dq), dk = at(CudnnOperand::dk), dv = at(CudnnOperand::dv);
  for (std::int64_t b = 0; b < p.batch; ++b) {
    for (std::int64_t h = 0; h < p.heads; ++h)
      for (std::int64_t i = 0; i < p.seq_q; ++i)
        expect_near(dq, p.q_index(b, i, h), attention_reference_dq(p, host, b, h, i).value, "dq");
    for (std::int64_t h = 0; h < p.kv_heads; ++h)
      for (std::int64_t j = 0; j < p.seq_kv; ++j) {
        const AttentionKeyGradients row = attention_reference_dkv(p, host, b, h, j);
        expect_near(dk, p.k_index(b, j, h), row.dk.value, "dk");
        expect_near(dv, p.v_index(b, j, h), row.dv.value, "dv");
      }
  }
}

// What the operations mean, where everything lies and what the masks hide: the graph is attention.
TEST(CudnnAttentionGraph, ComputesAttention) {
  const CudnnDescriptor device = described(kH200);
  for (const AttentionPass pass : {AttentionPass::forward, AttentionPass::backward})
    for (AttentionProblem p : variants(pass, 16, 8)) {
      p.heads = 4;
      p.kv_heads = std::min<std::int64_t>(p.kv_heads, 4);
      p.seq_kv = p.seq_kv == p.seq_q ? 7 : 9;
      p.seq_q = 7;
      p.window = p.window > 0 ? 3 : 0;
      p.dtype = DType::bf16;
      SCOPED_TRACE(text(p, kH200));
      const CudnnGraph graph = cudnn_attention_graph(cudnn(), {nullptr, &device}, p);
      const Computed computed(p);
      const GraphValues values = computed.values(graph);
      pass == AttentionPass::forward ? expect_forward(p, computed.host(), values)
                                     : expect_backward(p, computed.host(), values);
    }
}

constexpr std::size_t kVersion = 91900;

TEST(CudnnAttentionSupport, RefusesWithTheReason) {
  const AttentionProblem forward = problem(AttentionPass::forward, 128, 128);
  const AttentionProblem backward = problem(AttentionPass::backward, 128, 128);
  const auto refusal = [](AttentionProblem p, auto change, int capability = 90, std::size_t version = kVersion) {
    change(p);
    return cudnn_attention_support(p, capability, version).reason;
  };
  const auto nothing = [](AttentionProblem&) {};
  EXPECT_EQ(refusal(forward, nothing), "");
  EXPECT_EQ(refusal(backward, nothing), "");
  EXPECT_THAT(refusal(forward, nothing, 75), HasSubstr("compute capability 8.0"));
  EXPECT_THAT(refusal(forward, nothing, 90, 91001), HasSubstr("9.10.0 and 9.10.1"));
  EXPECT_THAT(refusal(forward,
                      [](AttentionProblem& p) {
                        p.q_offsets = p.kv_offsets = {0, 512, 1024};
                      }),
              HasSubstr("packed"));
  EXPECT_THAT(refusal(forward, [](AttentionProblem& p) { p.causal = true, p.seq_q = 1025; }),
              HasSubstr("padding mask"));
  EXPECT_EQ(refusal(forward, [](AttentionProblem& p) { p.seq_q = 1025; }), "");  // without a mask it does
  EXPECT_THAT(refusal(forward, [](AttentionProblem& p) { p.head_dim = 36; }), HasSubstr("multiples of 8"));
  EXPECT_THAT(refusal(forward, [](AttentionProblem& p) { p.head_dim_v = 36; }), HasSubstr("multiples of 8"));
  EXPECT_THAT(refusal(forward, [](AttentionProblem& p) { p.seq_kv = 0; }), HasSubstr("empty"));
  EXPECT_THAT(refusal(forward, [](AttentionProblem& p) { p.seq_q = p.seq_kv = 1; }), HasSubstr("single"));
  EXPECT_THAT(refusal(
                  backward, [](AttentionProblem& p) { p.head_dim = 256; }, 80),
              HasSubstr("heads of 256 and values of 128 on compute capability 8.0"));
  EXPECT_THAT(refusal(
                  backward, [](AttentionProblem& p) { p.head_dim = p.head_dim_v = 192; }, 100),
              HasSubstr("192"));
  EXPECT_THAT(refusal(
                  backward, [](AttentionProblem& p) { p.seq_kv = 1000; }, 90, 91500),
              HasSubstr("multiple of 128"));
  EXPECT_THAT(refusal(
                  backward, [](AttentionProblem& p) { p.deterministic = true; }, 100),
              HasSubstr("deterministic"));
}

}  // namespace
}  // namespace assay

int main(int argc, char** argv) {
  std::string reason;
  if (!assay::cudnn_library(reason)) return std::printf("skipped: %s\n", reason.c_str()), 77;
  // Its own name within is libcuda.so.1: from here on, that is found loaded by who asks for it.
  if (!dlopen(ASSAY_CUDA_DRIVER_STUB, RTLD_NOW | RTLD_GLOBAL)) return std::printf("skipped: %s\n", dlerror()), 77;
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
