// Plans and hardware for the tests of projections.
#pragma once
#include "harness/project/projection.h"
#include "harness/suite/models.h"

namespace assay {

inline TrainingPlan plan_of(const char* model, std::int64_t gpus, std::int64_t tensor, std::int64_t pipeline,
                            std::int64_t interleave = 1, std::int64_t context = 1) {
  TrainingPlan plan;
  plan.model_name = model;
  plan.model = find_model(model).transformer();
  plan.gpus = gpus;
  plan.split.tensor = tensor, plan.split.pipeline = pipeline, plan.split.interleave = interleave;
  plan.split.context = context;
  plan.global_batch = 1024, plan.micro_batch = 1, plan.sequence = 8192;
  return plan;
}

/// 405B on 512 GPUs as MLPerf runs it.
inline TrainingPlan plan_405b() { return plan_of("llama3-405b", 512, 8, 8, 8, 2); }

inline Hardware h100() {
  Hardware hw = hardware_of(accelerator_named("h100"));
  join(hw, cluster_named("dgx-h100").network());
  return hw;
}

inline double seconds_of(const TrainingPlan& plan, const Hardware& hw) { return step_time(plan, hw, Shares{}).total(); }

}  // namespace assay
