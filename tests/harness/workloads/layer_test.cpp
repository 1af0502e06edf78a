// The frame of the layer's workloads: right kernels pass on every axis, each planted fault is named, a state that every
// launch updates is followed over its launches, bytes are counted by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "harness/workloads/layer.h"
#include "harness/workloads/layer_frame.h"

namespace assay {
namespace {

Case layer_case(const std::string& workload, std::vector<CaseAxis> axes, DType dtype, Cache cache = Cache::hot) {
  Case point;
  point.workload = workload;
  point.kernel = "cpu_vector";
  point.dtype = dtype;
  point.cache = cache;
  point.axes = std::move(axes);
  return point;
}

Check check_after(const WorkloadKind& kind, const Case& point, int launches = 3) {
  const auto backend = make_cpu_backend(2);
  const auto alone = make_single_communicator();
  WorkloadContext context{*backend, *alone};
  EXPECT_EQ(kind.validate(point), "");
  const auto workload = kind.make(point, context);
  std::vector<std::int64_t> counts(std::size_t(workload->sets()), 0);
  for (int l = 0; l < launches; ++l) {
    const int set = l % workload->sets();
    workload->launch(set);
    ++counts[std::size_t(set)];
  }
  return workload->check(counts);
}

/// Every operation of the catalog that this frame holds, on axes small enough to check whole.
std::vector<std::pair<const WorkloadKind*, std::vector<CaseAxis>>> small_cases() {
  const auto kind = [](const char* name) { return find_workload(catalog(), name); };
  std::vector<std::pair<const WorkloadKind*, std::vector<CaseAxis>>> cases;
  for (const std::string pass : {"forward", "backward"}) {
    for (const std::string residual : {"none", "added"})
      for (const char* norm : {"rms_norm", "layer_norm"})
        cases.push_back({kind(norm), {{"pass", pass}, {"tokens", 5}, {"hidden", 100}, {"residual", residual}}});
    for (const std::string inputs : {"separate", "fused"})
      cases.push_back({kind("swiglu"), {{"pass", pass}, {"tokens", 3}, {"ffn", 70}, {"inputs", inputs}}});
    cases.push_back({kind("gelu"), {{"pass", pass}, {"tokens", 3}, {"ffn", 70}}});
    cases.push_back({kind("rope"), {{"pass", pass}, {"tokens", 6}, {"seq", 4}, {"heads", 3}, {"head_dim", 20}}});
  }
  cases.push_back({kind("residual_add"), {{"tokens", 3}, {"hidden", 70}}});
  return cases;
}

TEST(LayerWorkloads, OurKernelsPass) {
  for (const auto& [kind, axes] : small_cases())
    for (const DType dtype : {DType::f32, DType::bf16}) {
      const Case point = layer_case(kind->name, axes, dtype);
      const Check check = check_after(*kind, point);
      EXPECT_TRUE(check.ok()) << point.id() << ": " << check.describe();
    }
}

TEST(LayerWorkloads, ColdSetsAreAllChecked) {
  const WorkloadKind& kind = *find_workload(catalog(), "gelu");
  const Case point = layer_case("gelu", {{"pass", "forward"}, {"tokens", 256}, {"ffn", 4096}}, DType::f32, Cache::cold);
  const Check one = check_after(kind, point, 1), both = check_after(kind, point, 2);
  EXPECT_TRUE(one.ok() && both.ok()) << both.describe();
  EXPECT_EQ(both.elements, 2 * one.elements);
}

TEST(LayerWorkloads, BytesByHand) {
  const auto bytes = [](const char* workload, std::vector<CaseAxis> axes, DType dtype) {
    return find_workload(catalog(), workload)->work(layer_case(workload, std::move(axes), dtype), 1).bytes;
  };
  const CaseAxis forward{"pass", "forward"}, backward{"pass", "backward"}, tokens{"tokens", 10}, hidden{"hidden", 100};
  EXPECT_EQ(bytes("rms_norm", {forward, tokens, hidden}, DType::bf16), 2 * (2 * 1000 + 100) + 4 * 10);
  EXPECT_EQ(bytes("rms_norm", {backward, tokens, hidden}, DType::f32), 4 * (3 * 1000 + 100 + 10 + 100));
  EXPECT_EQ(bytes("rms_norm", {forward, tokens, hidden, {"residual", "added"}}, DType::f32), 4 * (4 * 1000 + 100 + 10));
  EXPECT_EQ(bytes("layer_norm", {forward, tokens, hidden}, DType::f32), 4 * (2 * 1000 + 200 + 20));
  EXPECT_EQ(bytes("layer_norm", {backward, tokens, hidden, {"residual", "added"}}, DType::bf16),
            2 * (4 * 1000 + 100) + 4 * (20 + 200));
  EXPECT_EQ(bytes("swiglu", {forward, tokens, {"ffn", 100}}, DType::bf16), 2 * 3 * 1000);
  EXPECT_EQ(bytes("swiglu", {backward, tokens, {"ffn", 100}, {"inputs", "fused"}}, DType::bf16), 2 * 5 * 1000);
  EXPECT_EQ(bytes("gelu", {backward, tokens, {"ffn", 100}}, DType::f32), 4 * 3 * 1000);
  EXPECT_EQ(bytes("residual_add", {tokens, hidden}, DType::bf16), 2 * 3 * 1000);
  EXPECT_EQ(bytes("rope", {forward, tokens, {"seq", 5}, {"heads", 4}, {"head_dim", 20}}, DType::bf16),
            2 * 2 * 800 + 4 * 5 * 20);
}

TEST(LayerWorkloads, BadSizesAreRefused) {
  const CaseAxis many{"tokens", std::int64_t(1) << 30};
  EXPECT_THAT(
      find_workload(catalog(), "rope")
          ->validate(layer_case("rope", {{"tokens", 1}, {"seq", 1}, {"heads", 1}, {"head_dim", 3}}, DType::f32)),
      testing::HasSubstr("even"));
  EXPECT_THAT(find_workload(catalog(), "gelu")
                  ->validate(layer_case("gelu", {many, {"ffn", std::int64_t(1) << 30}}, DType::f32)),
              testing::HasSubstr("2^50"));
}

// --- planted faults

using Swiglu = void (*)(const SwigluProblem&, const SwigluBuffers&, const Target&, Stream);

void right(const SwigluProblem& p, const SwigluBuffers& b, const Target& target, Stream stream) {
  swiglu_kernels().front().prepare(p, target, {b}, stream)->launch(b, stream);
}
void last_element_off(const SwigluProblem& p, const SwigluBuffers& b, const Target& t, Stream s) {
  right(p, b, t, s);
  store_element(p.dtype, b.y, p.elements() - 1, load_element(p.dtype, b.y, p.elements() - 1) + 0.25);
}
void one_nan(const SwigluProblem& p, const SwigluBuffers& b, const Target& t, Stream s) {
  right(p, b, t, s);
  store_element(p.dtype, b.y, 1, std::numeric_limits<double>::quiet_NaN());
}
void never_writes(const SwigluProblem&, const SwigluBuffers&, const Target&, Stream) {}
void writes_past_the_end(const SwigluProblem& p, const SwigluBuffers& b, const Target& t, Stream s) {
  right(p, b, t, s);
  store_element(p.dtype, b.y, p.elements(), 0);
}
void forgets_up(const SwigluProblem& p, const SwigluBuffers& b, const Target& t, Stream s) {
  SwigluBuffers gate_twice = b;
  gate_twice.up = b.gate;
  right(p, gate_twice, t, s);
}

std::string planted(Swiglu function, Cache cache = Cache::hot) {
  SwigluKernel kernel = swiglu_kernels().front();
  kernel.prepare = stateless(function);
  const std::vector<SwigluKernel> kernels{kernel};
  const Check check =
      check_after(swiglu_workload(kernels),
                  layer_case("swiglu", {{"pass", "forward"}, {"tokens", 3}, {"ffn", 70}}, DType::bf16, cache), 2);
  return check.ok() && check.outside.empty() ? std::string() : check.describe();
}

TEST(LayerWorkloads, PlantedFaultsAreNamed) {
  EXPECT_EQ(planted(right), "");
  EXPECT_THAT(planted(last_element_off), testing::HasSubstr("y[2, 69]"));
  EXPECT_THAT(planted(one_nan), testing::HasSubstr("y[0, 1]"));
  EXPECT_THAT(planted(never_writes), testing::HasSubstr("nan"));
  EXPECT_THAT(planted(writes_past_the_end), testing::HasSubstr("memory after y"));
  EXPECT_NE(planted(forgets_up), "");
}

// --- a state that every launch updates: what an optimizer's step needs of the frame

struct CountProblem {
  std::int64_t elements = 1;
  double bytes() const { return 12.0 * double(elements); }
};
struct CountBuffers {
  const float* step = nullptr;
  float* total = nullptr;
  std::int32_t* launches = nullptr;
};

CountProblem count_problem(const Case& point) { return {point.number("elements")}; }

std::vector<LayerTensor<CountProblem, CountBuffers>> count_tensors(const CountProblem& p) {
  using Host = const CountBuffers&;
  return {{{"step", TensorUse::input, DType::f32, 1, p.elements}, bind_to(&CountBuffers::step)},
          {{"total", TensorUse::state, DType::f32, 1, p.elements},
           bind_to(&CountBuffers::total),
           {},
           [](const CountProblem& q, Host host, std::int64_t, std::int64_t launches) {
             LayerRow row;
             for (std::int64_t i = 0; i < q.elements; ++i)
               row.add({host.total[i] + double(launches) * host.step[i], 1e-5});
             return row;
           }},
          {{"launches", TensorUse::state, TensorType::int32(), 1, 1},
           bind_to(&CountBuffers::launches),
           [](const CountProblem&, Host, void* data) { *static_cast<std::int32_t*>(data) = 100; },
           [](const CountProblem&, Host, std::int64_t, std::int64_t launches) {
             LayerRow row;
             row.add({100 + double(launches), 0});
             return row;
           }}};
}

WorkloadKind count_workload(const std::vector<Kernel<CountProblem, CountBuffers>>& kernels) {
  LayerOperation<CountProblem, CountBuffers> operation;
  operation.name = "count";
  operation.axes = {layer_count_axis("elements", "of total")};
  operation.problem = count_problem;
  operation.tensors = count_tensors;
  return layer_workload(operation, kernels);
}

template <int kForgotten>
void count(const CountProblem& p, const CountBuffers& b, const Target&, Stream) {
  for (std::int64_t i = kForgotten; i < p.elements; ++i) b.total[i] += b.step[i];
  ++*b.launches;
}

Check check_count(void (*function)(const CountProblem&, const CountBuffers&, const Target&, Stream)) {
  Kernel<CountProblem, CountBuffers> kernel;
  kernel.name = "cpu_vector";
  kernel.dtypes = {DType::f32};
  kernel.supports = [](const CountProblem&, const Target&) { return Support::yes(); };
  kernel.prepare = [function](const CountProblem& p, const Target& t, const std::vector<CountBuffers>& sets, Stream s) {
    function(p, sets[0], t, s);  // a library that tries its algorithms: the workload must start afresh
    return std::make_unique<FunctionOperation<CountProblem, CountBuffers>>(function, p, t);
  };
  const std::vector<Kernel<CountProblem, CountBuffers>> kernels{kernel};
  return check_after(count_workload(kernels), layer_case("count", {{"elements", 40}}, DType::f32, Cache::cold), 1500);
}

TEST(LayerFrame, FollowsAStateOverItsLaunches) {
  const Check check = check_count(count<0>);  // more launches than sets: some had one, some two
  EXPECT_TRUE(check.ok()) << check.describe();
  EXPECT_THAT(check_count(count<1>).describe(), testing::HasSubstr("total[0, 0]"));
}

}  // namespace
}  // namespace assay
