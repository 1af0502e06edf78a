// The parts that the fast and the slow reader of a node's result share.
#pragma once
#include <string>
#include <vector>

#include "harness/verdict/fleet_reader.h"

namespace assay {

int fleet_device(const Case&);
/// "gemm/mma_sm80/gpu3/bf16/..." -> "gemm/mma_sm80/gpu/bf16/..." for device 3.
std::string without_ordinal(std::string id, int device);
/// Adds the value: the samples of the most frequent placement class, with the class in the case's id.
void add_value(FleetNode&, const std::string& id, const std::string& workload, int device, const Measurement&,
               FleetCases&);
/// "8 x NVIDIA H200, AMD EPYC 9654"
std::string hardware_of(const std::vector<std::string>& gpus, const std::string& cpu);

}  // namespace assay
