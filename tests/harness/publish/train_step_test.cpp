#include "harness/publish/train_step.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/harness/record/sample_records.h"

namespace assay {
namespace {

using testing::HasSubstr;

/// A step of 2 ms on 1000 tokens and 4 GFLOP, of a peak of 5 TFLOP/s.
Record step_record() {
  Record record = ok_record(64, "step_cpu", 2e-3);
  record.point.workload = "train_step";
  record.work.flops = 4e9;
  record.details = {{"tokens", 1000.0, {}},
                    {"flops_full_attention", 5e9, {}},
                    {"flops_causal", 4e9, {}},
                    {"flops_recomputed", 6e9, {}},
                    {"flops_6n", 3e9, {}},
                    {"peak_flops_per_second", 5e12, {}},
                    {"peak_kernel", std::string("peak_cpu_fma"), {}},
                    {"bytes_parameters", 1024.0, {}},
                    {"bytes_gradients", 1024.0, {}},
                    {"bytes_optimizer", 2048.0, {}},
                    {"bytes_activations", 3072.0, {}},
                    {"bytes_temporary", 1024.0, {}},
                    {"seconds_gemm", 1.5e-3, {}},
                    {"seconds_attention", 0.5e-3, {}},
                    {"seconds_communication", 0.0, {}},
                    {"seconds_projected", 1.9e-3, {}},
                    {"loss_first", 5.5, {}},
                    {"loss_last", 2.25, {}},
                    {"loss_steps", 30.0, {}}};
  return record;
}

TEST(TrainSteps, RatesFollowFromTheMedianAndTheDetails) {
  const auto all = train_steps(sample_result({step_record(), ok_record(64, "cpu_blocked", 1e-3)}));
  ASSERT_EQ(all.size(), 1U);
  EXPECT_NEAR(all[0].tokens_per_second, 5e5, 5e3);
  ASSERT_EQ(all[0].utilisations.size(), 4U);
  EXPECT_NEAR(all[0].utilisations[0].of_peak, 0.5, 0.01);  // 5e9 / 2e-3 / 5e12
  EXPECT_NEAR(all[0].utilisations[3].of_peak, 0.3, 0.01);
  EXPECT_EQ(all[0].parts.size(), 2U) << "one rank communicates nothing";
  EXPECT_EQ(all[0].bytes, 8192);
  EXPECT_FALSE(all[0].tokens_per_joule) << "no power was read";
}

TEST(TrainSteps, TextSaysWhosePeakItIs) {
  Record record = step_record();
  EXPECT_THAT(to_train_step_text(sample_result({record})), HasSubstr("peak_cpu_fma on the same cores)"));
  record.point.device = Device::gpu, record.point.device_index = 0;
  EXPECT_THAT(to_train_step_text(sample_result({record})), HasSubstr("on the same GPU)"));
}

TEST(TrainSteps, TokensOfAJouleAreThoseOfOneRankWhosePowerWasRead) {
  Record record = step_record();
  Telemetry telemetry;
  telemetry.window_seconds = 2, telemetry.energy_joules = 200;  // 100 W
  record.telemetry = {telemetry};
  EXPECT_NEAR(train_steps(sample_result({record}))[0].tokens_per_joule.value_or(0), 5e3, 50);
  record.point.axes.push_back({"ranks", std::int64_t(2)});
  EXPECT_FALSE(train_steps(sample_result({record}))[0].tokens_per_joule) << "the other rank's power is not known";
}

TEST(TrainSteps, TextSaysWhatOfTheAllReduceIsHidden) {
  Record record = step_record();
  EXPECT_FALSE(train_steps(sample_result({record}))[0].reduction) << "one rank reduces nothing";
  record.details.push_back({"seconds_exposed_communication", 1e-4, {}});
  record.details.push_back({"seconds_all_reduce_alone", 4e-4, {}});
  record.details.push_back({"hidden_communication", 0.75, {}});
  record.details.push_back({"gradient_buckets", 12.0, {}});
  EXPECT_THAT(
      to_train_step_text(sample_result({record})),
      HasSubstr("all-reduce: 0.4 ms alone; in 12 buckets beside backward, the step is 0.1 ms longer with it than "
                "without: 75 % hidden"));
  record.details.back().value = 0.0;
  EXPECT_THAT(to_train_step_text(sample_result({record})), HasSubstr("alone; after backward, the step"));
}

TEST(TrainSteps, TextSaysWhichGradientsWereBesideFp64AndHowSureTheProjectionIs) {
  Record record = step_record();
  EXPECT_THAT(to_train_step_text(sample_result({record})),
              testing::AllOf(testing::Not(HasSubstr("fp64")), HasSubstr("kernels: 1.9 ms, measured")));
  for (const auto& [name, value] :
       {std::pair("gradients_compared", 64.0), std::pair("gradients", 4096.0),
        std::pair("gradient_tokens_compared", 16.0), std::pair("seconds_projected_low", 1.7e-3),
        std::pair("seconds_projected_high", 2.3e-3)})
    record.details.push_back({name, value, {}});
  EXPECT_THAT(to_train_step_text(sample_result({record})),
              testing::AllOf(HasSubstr("fp64: 64 of 4096 elements, of the loss of 16 of 1000 tokens\n"),
                             HasSubstr("kernels: 1.9 ms (1.7 to 2.3), measured")));
  for (Detail& one : record.details)
    if (one.name == "gradients_compared") one.value = 4096.0;
  EXPECT_THAT(to_train_step_text(sample_result({record})), HasSubstr("4096 of 4096 elements, of the loss of 16"));
  for (Detail& one : record.details)
    if (one.name == "gradient_tokens_compared") one.value = 1000.0;
  EXPECT_THAT(to_train_step_text(sample_result({record})), HasSubstr("fp64: all 4096\n"));
}

TEST(TrainSteps, TextSaysHowFarACpuWasBeside) {
  Record record = step_record();
  EXPECT_THAT(to_train_step_text(sample_result({record})), HasSubstr("- loss: 5.500 to 2.250 in 30 steps\n"));
  record.losses = LossCurve{{1, 2, 3}, {5.5, 5, 4}, {5.5, 5.0004}};
  record.details.push_back({"loss_difference_from_cpu", 4e-4, {}});
  EXPECT_THAT(to_train_step_text(sample_result({record})),
              HasSubstr("in 30 steps, the first 2 at most 0.0004 from a CPU's\n"));
}

TEST(TrainSteps, TextSaysWhatIsUnknown) {
  Record record = step_record();
  EXPECT_THAT(to_train_step_text(sample_result({record})),
              testing::AllOf(HasSubstr("tokens/J unknown"), HasSubstr("GEMM 1.5 ms (75.0 %)"), HasSubstr("8 KiB"),
                             HasSubstr("causal 40.0 %"),
                             HasSubstr("projected from its kernels: 1.9 ms, measured 2 ms (-5.0 %)")));
  record.details[5] = {"peak_flops_per_second", {}, "this build has no peak kernel of that type"};
  EXPECT_THAT(to_train_step_text(sample_result({record})), HasSubstr("MFU: unknown"));
  record.details.clear();
  EXPECT_EQ(to_train_step_text(sample_result({record})), "") << "a file without the details";
}

}  // namespace
}  // namespace assay
