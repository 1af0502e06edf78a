// The parts of a record that only collectives and runs over several ranks have, to JSON and back.
#pragma once
#include <nlohmann/json.hpp>
#include <vector>

#include "harness/measure/rank_times.h"
#include "harness/record/json_fields.h"
#include "kernels/common/kernel.h"

namespace assay {

/// first_seconds, rank_seconds and rank_stride of a measurement, where it has them.
void add_rank_times(const Measurement&, nlohmann::ordered_json& measurement);
void read_rank_times(const JsonFields& measurement, Measurement&);

/// Derived from rank_seconds, for people and for jq.
void add_ranks(const RankSummary&, nlohmann::ordered_json& summary);

/// {"algorithm": {"value": "RING"}, "protocol": {"value": null, "why": "..."}}
nlohmann::ordered_json details_to_json(const std::vector<Detail>&);
/// `json` is the object that `in` reads.
std::vector<Detail> details_from_json(const JsonFields& in, const nlohmann::ordered_json& json);

}  // namespace assay
