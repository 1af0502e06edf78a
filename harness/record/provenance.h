// Everything that moves the numbers: build, libraries, CPU, GPUs, operating system, settings.
// Environment variables come from an allow-list only: a result is published, and environments hold secrets.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace assay {

/// Keys: build, libraries, cpu, gpus, system, environment, command, started_utc, findings.
/// `findings` lists what makes the machine unfit to measure, each {severity, what, meaning, action}.
nlohmann::ordered_json collect_provenance(const std::vector<std::string>& command);

}  // namespace assay
