// The workloads around a model's blocks: right kernels pass on every axis, after several launches where each moves a
// state on; planted faults are named; bytes are counted by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/workloads/layer_tokens.h"

namespace assay {
namespace {

Case case_of(const std::string& workload, std::vector<CaseAxis> axes, DType dtype) {
  Case point;
  point.workload = workload;
  point.kernel = "cpu_vector";
  point.dtype = dtype;
  point.cache = Cache::hot;
  point.axes = std::move(axes);
  return point;
}

Check check_after(const WorkloadKind& kind, const Case& point, std::int64_t launches) {
  const auto backend = make_cpu_backend(2);
  const auto alone = make_single_communicator();
  WorkloadContext context{*backend, *alone};
  EXPECT_EQ(kind.validate(point), "");
  const auto workload = kind.make(point, context);
  for (std::int64_t l = 0; l < launches; ++l) workload->launch(0);
  return workload->check({launches});
}

using Axes = std::vector<CaseAxis>;

std::vector<std::pair<std::string, Axes>> small_cases() {
  std::vector<std::pair<std::string, Axes>> cases;
  const CaseAxis tokens{"tokens", 9};
  for (const std::string pass : {"forward", "backward"}) {
    cases.push_back({"embedding", {{"pass", pass}, tokens, {"vocab", 20}, {"dim", 37}}});
    for (const std::string gate : {"softmax", "sigmoid"})
      cases.push_back({"router", {{"pass", pass}, tokens, {"experts", 40}, {"top_k", 6}, {"gate", gate}}});
    cases.push_back({"router",
                     {{"pass", pass},
                      tokens,
                      {"experts", 40},
                      {"top_k", 6},
                      {"gate", "sigmoid"},
                      {"groups", 8},
                      {"top_groups", 3}}});
  }
  for (const std::string gradient : {"in_place", "none"})
    cases.push_back({"cross_entropy", {tokens, {"vocab", 2100}, {"gradient", gradient}}});
  for (const std::string gradient : {"same", "f32"})
    cases.push_back({"adamw", {{"elements", 1003}, {"gradient", gradient}}});
  cases.push_back({"grad_norm", {{"elements", 40003}, {"tensors", 7}}});
  for (const PermutePassName& row : kPermutePasses)
    for (const std::string padding : {"none", "grouped_gemm"})
      cases.push_back(
          {"permute", {{"pass", row.name}, tokens, {"experts", 12}, {"top_k", 3}, {"dim", 37}, {"padding", padding}}});
  return cases;
}

TEST(TokenWorkloads, OurKernelsPassAfterAnyNumberOfLaunches) {
  for (const auto& [workload, axes] : small_cases())
    for (const DType dtype : {DType::f32, DType::bf16})
      for (const int launches : {1, 3, 20}) {
        const Case point = case_of(workload, axes, dtype);
        const Check check = check_after(*find_workload(catalog(), workload), point, launches);
        EXPECT_TRUE(check.ok() && check.outside.empty()) << launches << " " << point.id() << ": " << check.describe();
        EXPECT_GT(check.elements, 0);
      }
}

TEST(TokenWorkloads, BytesByHand) {
  const auto bytes = [](const char* workload, Axes axes, DType dtype) {
    return find_workload(catalog(), workload)->work(case_of(workload, std::move(axes), dtype), 1).bytes;
  };
  const CaseAxis tokens{"tokens", 10}, experts{"experts", 8}, top_k{"top_k", 2}, dim{"dim", 100};
  // One word only, so that all tokens name it.
  EXPECT_EQ(bytes("embedding", {{"pass", "forward"}, tokens, {"vocab", 1}, dim}, DType::bf16), 40 + 2 * (1000 + 100));
  EXPECT_EQ(bytes("embedding", {{"pass", "backward"}, tokens, {"vocab", 1}, dim}, DType::bf16),
            40 + 2 * 1000 + 8 * 100);
  EXPECT_EQ(bytes("cross_entropy", {tokens, {"vocab", 50}}, DType::bf16), 2 * 2 * 500 + 12 * 10);
  EXPECT_EQ(bytes("cross_entropy", {tokens, {"vocab", 50}, {"gradient", "none"}}, DType::f32), 4 * 500 + 12 * 10);
  EXPECT_EQ(bytes("adamw", {{"elements", 10}}, DType::f32), 280);
  EXPECT_EQ(bytes("adamw", {{"elements", 10}}, DType::bf16), 280);
  EXPECT_EQ(bytes("adamw", {{"elements", 10}, {"gradient", "f32"}}, DType::bf16), 300);
  EXPECT_EQ(bytes("grad_norm", {{"elements", 10}, {"tensors", 3}}, DType::bf16), 20);
  EXPECT_EQ(bytes("router", {{"pass", "forward"}, tokens, experts, top_k}, DType::f32), 4 * 80 + 8 * 20);
  EXPECT_EQ(bytes("router", {{"pass", "backward"}, tokens, experts, top_k}, DType::bf16), 2 * 2 * 80 + 8 * 20);
  const auto permute = [&](const char* pass) {
    return bytes("permute", {{"pass", pass}, tokens, experts, top_k, dim}, DType::bf16);
  };
  EXPECT_EQ(permute("plan"), 12 * 20 + 8 * 8);
  EXPECT_EQ(permute("permute"), 2 * (1000 + 2000) + 4 * 20);
  EXPECT_EQ(permute("unpermute"), 2 * (2000 + 1000) + 8 * 20);
  EXPECT_EQ(permute("unpermute_backward"), 2 * (1000 + 2 * 2000) + 12 * 20);
}

TEST(TokenWorkloads, BadSizesAreRefused) {
  const auto reason = [](const char* workload, Axes axes) {
    return find_workload(catalog(), workload)->validate(case_of(workload, std::move(axes), DType::f32));
  };
  const CaseAxis tokens{"tokens", 10}, huge{"vocab", std::int64_t(1) << 31}, forward{"pass", "forward"};
  EXPECT_THAT(reason("cross_entropy", {tokens, huge}), testing::HasSubstr("below 2^31"));
  EXPECT_THAT(reason("embedding", {forward, tokens, huge, {"dim", 1}}), testing::HasSubstr("below 2^31"));
  EXPECT_EQ(reason("router", {forward, tokens, {"experts", 4}, {"top_k", 5}}), "top_k=5 of 4 experts");
  EXPECT_THAT(reason("permute", {{"pass", "plan"}, tokens, {"experts", 4}, {"top_k", 5}, {"dim", 1}}),
              testing::HasSubstr("top_k must not be above experts"));
  EXPECT_THAT(reason("grad_norm", {{"elements", 4}, {"tensors", 5}}), testing::HasSubstr("tensors"));
}

/// The kernel of `row`, and then `fault` on its buffers.
template <class Problem, class Buffers, class Fault>
Kernel<Problem, Buffers> with_fault(Kernel<Problem, Buffers> row, Fault fault) {
  struct Faulty final : Operation<Buffers> {
    std::unique_ptr<Operation<Buffers>> right;
    Fault fault;
    Faulty(std::unique_ptr<Operation<Buffers>> operation, Fault planted)
        : right(std::move(operation)), fault(planted) {}
    void launch(const Buffers& buffers, Stream stream) override {
      right->launch(buffers, stream);
      fault(buffers);
    }
  };
  row.prepare = [right = row.prepare, fault](const Problem& problem, const Target& target,
                                             const std::vector<Buffers>& sets, Stream stream) {
    return std::make_unique<Faulty>(right(problem, target, sets, stream), fault);
  };
  return row;
}

template <class MakeKind, class Row, class Fault>
std::string planted(MakeKind make, const std::vector<Row>& rows, const Axes& axes, Fault fault,
                    DType dtype = DType::bf16) {
  const auto faulty = with_fault(rows.front(), fault);
  const std::vector<std::decay_t<decltype(faulty)>> kernels{faulty};
  const WorkloadKind kind = make(kernels);
  const Check check = check_after(kind, case_of(kind.name, axes, dtype), 3);
  return check.ok() && check.outside.empty() ? std::string() : check.describe();
}

TEST(TokenWorkloads, PlantedFaultsAreNamed) {
  using testing::HasSubstr;
  const CaseAxis forward{"pass", "forward"}, backward{"pass", "backward"}, tokens{"tokens", 9};
  const Axes adamw{{"elements", 1003}}, loss{tokens, {"vocab", 300}};
  EXPECT_EQ(planted(adamw_workload, adamw_kernels(), adamw, [](const AdamWBuffers&) {}), "");
  EXPECT_THAT(planted(adamw_workload, adamw_kernels(), adamw, [](const AdamWBuffers& b) { b.v[7] *= 1.01F; }),
              HasSubstr("v[7, 0]"));
  EXPECT_THAT(planted(adamw_workload, adamw_kernels(), adamw, [](const AdamWBuffers& b) { b.master[1002] += 1e-3F; }),
              HasSubstr("master[1002, 0]"));
  EXPECT_THAT(planted(adamw_workload, adamw_kernels(), adamw,
                      [](const AdamWBuffers& b) { static_cast<std::uint16_t*>(b.param)[3] = 0x4000; }),
              HasSubstr("param[3, 0]"));
  EXPECT_EQ(planted(cross_entropy_workload, cross_entropy_kernels(), loss, [](const CrossEntropyBuffers&) {}), "");
  EXPECT_THAT(planted(cross_entropy_workload, cross_entropy_kernels(), loss,
                      [](const CrossEntropyBuffers& b) { b.loss[2] += 0.01F; }),
              HasSubstr("loss[2, 0]"));
  EXPECT_NE(planted(cross_entropy_workload, cross_entropy_kernels(), loss,
                    [](const CrossEntropyBuffers& b) { static_cast<std::uint16_t*>(b.logits)[5] = 0x3000; }),
            "");
  EXPECT_THAT(planted(embedding_workload, embedding_kernels(), {backward, tokens, {"vocab", 20}, {"dim", 4}},
                      [](const EmbeddingBuffers& b) { b.dw[79] += 0.01F; }),
              HasSubstr("dw[19, 3]"));
  EXPECT_THAT(planted(grad_norm_workload, grad_norm_kernels(), {{"elements", 5000}, {"tensors", 3}},
                      [](const GradNormBuffers& b) { b.result->clip *= 1.001F; }),
              HasSubstr("clip"));
  const Axes router{forward, tokens, {"experts", 16}, {"top_k", 2}, {"gate", "sigmoid"}};
  EXPECT_THAT(planted(router_workload, router_kernels(), router,
                      [](const RouterBuffers& b) { std::swap(b.expert[0], b.expert[1]); }),
              HasSubstr("expert[0, "));
  EXPECT_THAT(planted(router_workload, router_kernels(), router, [](const RouterBuffers& b) { b.weight[3] *= 1.001F; }),
              HasSubstr("weight[1, 1]"));
  const auto permute = [&](const char* pass) {
    return Axes{{"pass", pass}, tokens, {"experts", 4}, {"top_k", 2}, {"dim", 8}};
  };
  EXPECT_THAT(planted(permute_workload, permute_kernels(), permute("plan"),
                      [](const PermuteBuffers& b) { std::swap(b.row_of[4], b.row_of[8]); }),
              HasSubstr("row_of["));
  EXPECT_THAT(planted(
                  permute_workload, permute_kernels(), permute("unpermute"),
                  [](const PermuteBuffers& b) { static_cast<float*>(b.tokens_out)[9] += 0.01F; }, DType::f32),
              HasSubstr("tokens_out[1, 1]"));
}

}  // namespace
}  // namespace assay
