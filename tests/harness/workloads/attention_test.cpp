// What the attention workload says of kernels that are wrong in either pass, and how it counts and cuts its cases.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "harness/backends/backend.h"
#include "harness/communicators/communicator.h"
#include "harness/workloads/attention.h"
#include "harness/workloads/attention_problem.h"

namespace assay {
namespace {

using testing::HasSubstr;

Case attention_case(const std::string& mask, std::int64_t seq_q, std::int64_t seq_kv, DType dtype,
                    std::vector<CaseAxis> more = {}) {
  Case point;
  point.workload = "attention";
  point.kernel = "planted";
  point.dtype = dtype;
  point.cache = Cache::hot;
  const std::int64_t batch = 2, heads = 4, kv_heads = 2, head_dim = 64;
  point.axes = {{"mask", mask},   {"batch", batch},   {"heads", heads},      {"kv_heads", kv_heads},
                {"seq_q", seq_q}, {"seq_kv", seq_kv}, {"head_dim", head_dim}};
  point.axes.insert(point.axes.end(), more.begin(), more.end());
  return point;
}

void set(Case& point, const std::string& axis, AxisValue value) {
  for (CaseAxis& a : point.axes)
    if (a.name == axis) return void(a.value = std::move(value));
  point.axes.push_back({axis, std::move(value)});
}

/// What is planted: changes to rows that are otherwise right.
struct Planted {
  std::function<void(AttentionRow&, std::int64_t b, std::int64_t h, std::int64_t i)> forward = {};
  std::function<void(AllowedRow&, std::int64_t b, std::int64_t h, std::int64_t i)> dq = {};
  std::function<void(AttentionKeyGradients&, std::int64_t b, std::int64_t h, std::int64_t j)> dkv = {};
};

/// Rounds the references themselves: right by construction, but for what is planted.
class PlantedOperation final : public AttentionOperation {
 public:
  PlantedOperation(AttentionProblem problem, Planted planted) : p_(std::move(problem)), planted_(std::move(planted)) {}

  void launch(const AttentionBuffers& buffers, Stream) override {
    for (std::int64_t b = 0; b < p_.batch; ++b)
      p_.pass == AttentionPass::forward ? forward(buffers, b) : backward(buffers, b);
  }

 private:
  void forward(const AttentionBuffers& buffers, std::int64_t b) const {
    for (std::int64_t h = 0; h < p_.heads; ++h)
      for (std::int64_t i = 0; i < p_.queries(b); ++i) {
        AttentionRow row = attention_reference(p_, buffers, b, h, i);
        if (planted_.forward) planted_.forward(row, b, h, i);
        store(buffers.o, p_.o_index(b, i, h), row.o, p_.out_dtype());
        buffers.lse[p_.lse_index(b, h, i)] = float(row.lse);
      }
  }

  void backward(const AttentionBuffers& buffers, std::int64_t b) const {
    for (std::int64_t h = 0; h < p_.heads; ++h)
      for (std::int64_t i = 0; i < p_.queries(b); ++i) {
        AllowedRow row = attention_reference_dq(p_, buffers, b, h, i);
        if (planted_.dq) planted_.dq(row, b, h, i);
        store(buffers.dq, p_.q_index(b, i, h), row.value, p_.dtype);
      }
    for (std::int64_t h = 0; h < p_.kv_heads; ++h)
      for (std::int64_t j = 0; j < p_.keys(b); ++j) {
        AttentionKeyGradients rows = attention_reference_dkv(p_, buffers, b, h, j);
        if (planted_.dkv) planted_.dkv(rows, b, h, j);
        store(buffers.dk, p_.k_index(b, j, h), rows.dk.value, p_.dtype);
        store(buffers.dv, p_.v_index(b, j, h), rows.dv.value, p_.dtype);
      }
  }

  static void store(void* tensor, std::int64_t index, const std::vector<double>& row, DType dtype) {
    for (std::size_t c = 0; c < row.size(); ++c) store_element(dtype, tensor, index + std::int64_t(c), row[c]);
  }

  AttentionProblem p_;
  Planted planted_;
};

Check check_planted(const Case& point, const Planted& planted) {
  AttentionKernel kernel;
  kernel.name = "planted";
  kernel.dtypes = {DType::f32, DType::bf16, DType::f16, DType::e4m3};
  kernel.accumulation = [](const AttentionProblem& p, const Target&) {
    return p.scaled() ? hopper_8_bit_accumulation(0) : Accumulation{};
  };
  kernel.supports = [](const AttentionProblem&, const Target&) { return Support::yes(); };
  kernel.prepare = [planted](const AttentionProblem& p, const Target&, const std::vector<AttentionBuffers>&,
                             Stream) -> std::unique_ptr<AttentionOperation> {
    return std::make_unique<PlantedOperation>(p, planted);
  };
  const std::vector<AttentionKernel> kernels = {kernel};
  const WorkloadKind kind = attention_workload(kernels);
  const auto backend = make_cpu_backend(1);
  const auto alone = make_single_communicator();
  WorkloadContext context{*backend, *alone};
  const auto workload = kind.make(point, context);
  workload->launch(0);
  return workload->check({1});
}

const std::vector<CaseAxis> kBackward = {{"pass", std::string("backward")}};

TEST(PlantedAttention, RightPassesAlsoWithRowsThatSeeNoKey) {
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16})
    for (const char* mask : {"causal", "full"})
      for (const auto& pass : {std::vector<CaseAxis>{}, kBackward}) {
        const Check check = check_planted(attention_case(mask, 23, 9, dtype, pass), {});
        EXPECT_TRUE(check.ok()) << mask << " " << name(dtype) << ": " << check.describe();
      }
}

TEST(PlantedAttention, RightPassesInEveryOtherForm) {
  for (const char* pass : {"forward", "backward"}) {
    Case point = attention_case("causal", 13, 17, DType::bf16, {{"pass", std::string(pass)}});
    set(point, "head_dim_v", std::int64_t(32));
    EXPECT_TRUE(check_planted(point, {}).ok()) << pass;
    set(point, "window", std::int64_t(3));
    EXPECT_TRUE(check_planted(point, {}).ok()) << pass;
    set(point, "batch", std::int64_t(6));
    for (const char* lengths : {"uneven", "gappy"}) {
      set(point, "lengths", std::string(lengths));
      const Check check = check_planted(point, {});
      EXPECT_TRUE(check.ok()) << pass << " " << lengths << ": " << check.describe();
    }
  }
}

/// Inputs of 8 bits come quantised, with a factor each; o is bf16.
TEST(PlantedAttention, EightBits) {
  for (const char* lengths : {"equal", "gappy"}) {
    const Case point = attention_case("causal", 150, 170, DType::e4m3, {{"lengths", std::string(lengths)}});
    const Check right = check_planted(point, {});
    EXPECT_TRUE(right.ok()) << lengths << ": " << right.describe();
    Check check = check_planted(point, {.forward = [](AttentionRow& row, auto, auto, auto) {
                                  for (double& o : row.o) o *= 448 / 3.0;  // as without v's factor
                                }});
    EXPECT_FALSE(check.ok()) << lengths;
    EXPECT_THAT(check.describe(), HasSubstr("o["));
    check = check_planted(point, {.forward = [](AttentionRow& row, auto, auto, auto i) {
                            if (i == 100) row.lse += 0.02;  // a key in fifty left out
                          }});
    EXPECT_FALSE(check.ok()) << lengths;
    EXPECT_THAT(check.describe(), HasSubstr("lse["));
  }
}

TEST(PlantedAttention, WrongOutputIsNamed) {
  const Check check = check_planted(attention_case("causal", 9, 23, DType::bf16),
                                    {.forward = [](AttentionRow& row, auto b, auto h, auto i) {
                                      if (b == 1 && h == 2 && i == 4) row.o[5] += 0.5;
                                    }});
  EXPECT_FALSE(check.ok());
  EXPECT_THAT(check.describe(), HasSubstr("o[batch 1, query 4, head 2, 5]"));
}

TEST(PlantedAttention, LseInTheWrongBaseIsWrong) {
  const Check check =
      check_planted(attention_case("full", 9, 23, DType::f32),
                    {.forward = [](AttentionRow& row, auto, auto, auto) { row.lse *= 1.4426950408889634; }});
  EXPECT_FALSE(check.ok());
  EXPECT_THAT(check.describe(), HasSubstr("lse["));
}

TEST(PlantedAttention, NanInARowThatSeesNoKeyIsWrong) {
  const Check check =
      check_planted(attention_case("causal", 23, 9, DType::f16), {.forward = [](AttentionRow& row, auto, auto, auto i) {
                      if (i == 0) row.o[0] = std::numeric_limits<double>::quiet_NaN();
                    }});
  EXPECT_FALSE(check.ok());
}

TEST(PlantedAttention, WrongGradientsAreNamed) {
  const Case point = attention_case("causal", 9, 23, DType::bf16, kBackward);
  Check check = check_planted(point, {.dq = [](AllowedRow& row, auto b, auto h, auto i) {
                                if (b == 1 && h == 3 && i == 4) row.value[7] += 1;
                              }});
  EXPECT_FALSE(check.ok());
  EXPECT_THAT(check.describe(), HasSubstr("dq[batch 1, query 4, head 3, 7]"));
  check = check_planted(point, {.dkv = [](AttentionKeyGradients& rows, auto b, auto h, auto j) {
                          if (b == 0 && h == 1 && j == 22) rows.dk.value[63] = std::numeric_limits<double>::quiet_NaN();
                        }});
  EXPECT_FALSE(check.ok());
  EXPECT_THAT(check.describe(), HasSubstr("dk[batch 0, key 22, head 1, 63]"));
  check = check_planted(point, {.dkv = [](AttentionKeyGradients& rows, auto, auto, auto) {
                          for (double& value : rows.dv.value) value *= 1.05;
                        }});
  EXPECT_FALSE(check.ok());
  EXPECT_THAT(check.describe(), HasSubstr("dv["));
}

TEST(PlantedAttention, DeterministicGradientsAreHeldToTheirBits) {
  Case point = attention_case("causal", 9, 23, DType::f32, kBackward);
  set(point, "gradients", std::string("deterministic"));
  EXPECT_TRUE(check_planted(point, {}).ok());
  double nudge = 1;  // far below what is allowed, and another one in every launch
  const Planted wavering{.dkv = [&nudge](AttentionKeyGradients& rows, auto b, auto h, auto j) {
    if (b == 0 && h == 0 && j == 0) rows.dv.value[0] *= nudge += 0x1p-22;
  }};
  const Check check = check_planted(point, wavering);
  EXPECT_FALSE(check.ok());
  EXPECT_THAT(check.describe(), HasSubstr("dv changed its bits"));
  set(point, "gradients", std::string("fast"));
  EXPECT_TRUE(check_planted(point, wavering).ok());
}

/// Gradients of a wrong o would be right gradients of the wrong thing.
TEST(PlantedAttention, BackwardChecksTheForwardPassToo) {
  const Check check = check_planted(attention_case("full", 9, 23, DType::bf16, kBackward),
                                    {.forward = [](AttentionRow& row, auto, auto, auto i) {
                                      if (i == 3) row.o[5] += 0.5;
                                    }});
  EXPECT_FALSE(check.ok());
  EXPECT_THAT(check.describe(), HasSubstr("o[batch"));
}

TEST(AttentionWorkload, EightBitsAreForwardOnlyAndCountTheirBytes) {
  const std::vector<AttentionKernel> none;
  const WorkloadKind kind = attention_workload(none);
  EXPECT_THAT(kind.validate(attention_case("causal", 9, 23, DType::e4m3, kBackward)), HasSubstr("forward only"));
  const Case point = attention_case("causal", 9, 23, DType::e4m3);
  EXPECT_EQ(kind.validate(point), "");
  // 2 batch, 64 wide: q of 4 heads and k and v of 2 in one byte each, o in two, lse in four.
  EXPECT_EQ(kind.work(point, 1).bytes, 2.0 * (9 * 4 * 64 * 3 + 2 * 23 * 2 * 64 + 9 * 4 * 4));
  EXPECT_EQ(kind.work(point, 1).flops, kind.work(attention_case("causal", 9, 23, DType::bf16), 1).flops);
}

TEST(AttentionWorkload, CountsVisiblePairsOnly) {
  const std::vector<AttentionKernel> none;
  const WorkloadKind kind = attention_workload(none);
  // 2 batch, 4 heads, head_dim 64; 9 queries at the end of 23 keys see 15, 16, ... 23 of them: 171 pairs.
  EXPECT_DOUBLE_EQ(kind.work(attention_case("causal", 9, 23, DType::bf16), 1).flops, 4.0 * 2 * 4 * 64 * 171);
  EXPECT_DOUBLE_EQ(kind.work(attention_case("full", 9, 23, DType::bf16), 1).flops, 4.0 * 2 * 4 * 64 * 9 * 23);
  // Five products instead of two.
  EXPECT_DOUBLE_EQ(kind.work(attention_case("causal", 9, 23, DType::bf16, kBackward), 1).flops,
                   10.0 * 2 * 4 * 64 * 171);
}

/// The closed form against the sum of what each query sees, and both views of a pair against each other.
TEST(AttentionWorkload, VisiblePairsOfEveryForm) {
  for (const std::int64_t window : {0, 1, 4, 100})
    for (const auto& [q, kv] : {std::pair<std::int64_t, std::int64_t>{1, 1}, {9, 23}, {23, 9}, {16, 16}, {1, 30}})
      for (const char* lengths : {"equal", "uneven", "gappy"}) {
        Case point =
            attention_case("causal", q, kv, DType::f32, {{"window", window}, {"lengths", std::string(lengths)}});
        set(point, "batch", std::int64_t(11));
        const AttentionProblem p = attention_problem(point);
        double by_query = 0, by_key = 0;
        for (std::int64_t b = 0; b < p.batch; ++b) {
          for (std::int64_t i = 0; i < p.queries(b); ++i) by_query += double(p.visible_keys(b, i).size());
          for (std::int64_t j = 0; j < p.keys(b); ++j) by_key += double(p.seeing_queries(b, j).size());
        }
        EXPECT_EQ(p.visible_pairs(), by_query) << window << " " << q << "x" << kv << " " << lengths;
        EXPECT_EQ(by_key, by_query) << window << " " << q << "x" << kv << " " << lengths;
      }
}

TEST(AttentionWorkload, LengthsOfPackedSequences) {
  const auto uneven = sequence_offsets(SequenceLengths::uneven, 10, 1000, 1);
  ASSERT_EQ(uneven.size(), 11u);
  EXPECT_EQ(uneven[1], 1000);
  for (std::size_t b = 0; b < 10; ++b) {
    EXPECT_GE(uneven[b + 1] - uneven[b], 250);
    EXPECT_LE(uneven[b + 1] - uneven[b], 1000);
  }
  EXPECT_NE(uneven, sequence_offsets(SequenceLengths::uneven, 10, 1000, 2));
  const auto gappy = sequence_offsets(SequenceLengths::gappy, 10, 1000, 1);
  EXPECT_EQ(gappy[5], gappy[4]);
  EXPECT_EQ(gappy[10], gappy[9]);
  EXPECT_EQ(gappy[4], uneven[4]);
}

TEST(AttentionWorkload, RefusesWhatDoesNotGoTogether) {
  const std::vector<AttentionKernel> none;
  const WorkloadKind kind = attention_workload(none);
  Case point = attention_case("full", 1, 1, DType::f32);
  set(point, "kv_heads", std::int64_t(3));
  EXPECT_THAT(kind.validate(point), HasSubstr("heads=4 is not a multiple of kv_heads=3"));
  EXPECT_THAT(kind.validate(attention_case("full", 9, 9, DType::f32, {{"window", std::int64_t(4)}})),
              HasSubstr("mask=causal"));
  EXPECT_THAT(kind.validate(attention_case("full", 9, 9, DType::f32, {{"gradients", std::string("deterministic")}})),
              HasSubstr("pass=backward"));
  point = attention_case("causal", std::int64_t(1) << 29, 9, DType::f32, {{"lengths", std::string("uneven")}});
  set(point, "batch", std::int64_t(8));
  EXPECT_THAT(kind.validate(point), HasSubstr("2^31"));
  EXPECT_EQ(kind.validate(attention_case("causal", 9, 9, DType::f32, {{"window", std::int64_t(4)}})), "");
}

}  // namespace
}  // namespace assay
