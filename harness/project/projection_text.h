// Projections and their validation, for people and for programs.
#pragma once
#include <string>

#include "harness/project/projection.h"
#include "harness/project/search.h"
#include "harness/project/validation.h"

namespace assay {

struct ProjectionPage {
  ProjectionInput input;
  Projection projection;
  std::optional<SearchResult> search;
  std::vector<Sensitivity> sensitivity;  // empty where not asked for
};

/// Of the precision that the linear layers have, dense: what MFU is of here.
double peak_of(const ProjectionInput&);
/// "tp 8, pp 8 x 8, cp 2, dp 4, zero 1, micro-batch 1, recompute selective"
std::string describe(const TrainingPlan&);
std::string projection_text(const ProjectionPage&);
/// Satisfies configs/schemas/projection.schema.json.
std::string projection_json(const ProjectionPage&);

std::string validation_text(const Validation&);
std::string validation_json(const Validation&);

}  // namespace assay
