// What cannot be is refused in one line that says what would work.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.h"
#include "harness/project/search.h"
#include "tests/harness/project/plans.h"

namespace assay {
namespace {

using testing::HasSubstr;

template <class Call>
std::string refusal(const Call& call) {
  try {
    call();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), testing::Not(HasSubstr("\n")));
    return error.what();
  }
  return "";
}

TEST(Mistakes, SplitsThatDoNotDivide) {
  TrainingPlan plan = plan_of("llama3-70b", 64, 3, 1);
  EXPECT_EQ(plan_problem(plan), "--tp 3 does not divide the 64 heads and 8 kv heads of llama3-70b; 1, 2, 4, 8 would");
  plan = plan_of("llama3-70b", 63, 1, 9);
  EXPECT_THAT(plan_problem(plan), HasSubstr("divides neither the 80 layers of llama3-70b nor 82"));
  plan = plan_of("llama3-70b", 100, 8, 1);
  EXPECT_EQ(plan_problem(plan), "--gpus 100 is no multiple of tp x pp x cp = 8; 96 or 104 would be");
  plan = plan_of("llama3-70b", 24, 8, 1);
  EXPECT_EQ(plan_problem(plan),
            "--global-batch 1024 is no multiple of micro-batch x data-parallel = 1 x 3; 1023 or 1026 would be");
  plan = plan_of("llama3-70b", 64, 8, 1);
  plan.split.expert = 8;
  EXPECT_EQ(plan_problem(plan), "--ep 8: llama3-70b has no experts; only --ep 1 works");
  plan = plan_of("llama3-70b", 64, 8, 1, 2);
  EXPECT_EQ(plan_problem(plan), "--vp 2 needs a pipeline; with --pp 1 only --vp 1 works");
  plan = plan_of("llama3-70b", 64, 8, 1);
  plan.sequence = 0;
  EXPECT_EQ(plan_problem(plan), "--seq 0: must be at least 1");
  plan.sequence = 8192, plan.global_batch = std::int64_t(1) << 62;
  EXPECT_THAT(plan_problem(plan), HasSubstr("--global-batch 4611686018427387904: must be at most 1000000000"));
  plan = plan_of("llama3-70b", -5, 1, 1);
  EXPECT_EQ(range_problem(plan), "--gpus -5: expected 1 to 1048576");
  // 82 places over 9 stages leave a tenth idle; 128 over 5 of the 405B two: a layout deals them.
  EXPECT_EQ(plan_problem(plan_of("llama3-405b", 320, 8, 5)), "");
}

TEST(Mistakes, DualPipeNeedsMicrobatchesForBothEnds) {
  TrainingPlan plan = plan_of("llama3-405b", 512, 8, 8);  // 8 replicas
  plan.split.schedule = Schedule::dual_pipe, plan.global_batch = 8 * 15;
  EXPECT_EQ(plan_problem(plan),
            "--schedule dual_pipe needs an even number of microbatches, at least 2 x --pp = 16, not 15; --global-batch "
            "128 would give as many");
  plan.global_batch = 128;
  EXPECT_EQ(plan_problem(plan), "");
  plan.global_batch = 8 * 17;
  EXPECT_THAT(plan_problem(plan), HasSubstr("--global-batch 144 would"));
}

TEST(Mistakes, MemoryThatDoesNotFit) {
  const std::string why = refusal([] { expect_fits(plan_of("llama3-70b", 8, 8, 1), h100()); });
  EXPECT_THAT(why, HasSubstr("do not fit in the 80 GB of h100"));
  // 18 bytes of 70.55 B parameters: 1270 GB, of which 16 GPUs of 80 hold all; 8 cannot, however split.
  EXPECT_THAT(why, HasSubstr("split over all 8 GPUs, weights, gradients and optimizer are 158.7 GB each: 16 GPUs"));
  // Exactly what is offered must fit.
  TrainingPlan plan = plan_of("llama3-70b", 64, 4, 1);
  EXPECT_THAT(refusal([&] { expect_fits(plan, h100()); }), HasSubstr("--zero 3 would fit"));
  plan.split.zero = 3;
  EXPECT_EQ(refusal([&] { expect_fits(plan, h100()); }), "");
}

TEST(Mistakes, NothingFits) {
  ProjectionInput in;
  in.plan = plan_of("llama3-405b", 8, 1, 1);
  in.hardware = h100();
  // 16 bytes of 405.9 B parameters; neither a shorter sequence nor another split would do.
  EXPECT_THAT(refusal([&] { search(in, 1); }), HasSubstr("fits in none of"));
  EXPECT_THAT(refusal([&] { search(in, 1); }), HasSubstr("GPUs would hold them"));
  in.plan = plan_of("llama3-8b", 1000, 1, 1);
  in.plan.global_batch = 2048;
  EXPECT_THAT(refusal([&] { search(in, 1); }), HasSubstr("--gpus 896 would, with tp 1, pp 7")) << "or the like";
}

TEST(Mistakes, Names) {
  EXPECT_THAT(refusal([] { cluster_named("dgx-h10"); }), HasSubstr("did you mean 'dgx-h100'?"));
  EXPECT_THAT(refusal([] { stack_named(published_runs(), "curent"); }), HasSubstr("did you mean 'current'?"));
}

TEST(Mistakes, FilesOfRuns) {
  const auto parse = [](const std::string& run) {
    return refusal([&] {
      parse_published_runs(
          R"({"schema": "assay-training-runs/1", "name": "n", "description": "d", "runs": [)" + run + "]}", "r.json");
    });
  };
  const std::string row =
      R"({"id": "a", "group": "g", "model": "llama3-8b", "accelerator": "h100", "gpus": 8, "tensor": 1,
    "pipeline": 1, "global_batch": 8, "micro_batch": 1, "sequence": 8192, "recompute": "full", "precision": "bf16",
    "stack": "current", "source": "s", "date": "2026")";
  EXPECT_EQ(parse(row + R"(, "step_seconds": 1})"), "");
  EXPECT_THAT(parse(row + "}"), HasSubstr("r.json: run 'a': expected exactly one of step_seconds"));
  EXPECT_THAT(parse(row + R"(, "tflops_per_gpu": 400})"), HasSubstr("needs convention"));
  EXPECT_THAT(parse(row + R"(, "step_seconds": 0})"), HasSubstr("/step_seconds"));
}

}  // namespace
}  // namespace assay
