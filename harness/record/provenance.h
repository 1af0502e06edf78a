// Everything that moves the numbers: build, libraries, CPU, GPUs, operating system, settings.
// Environment variables come from an allow-list only: a result is published, and environments hold secrets.
// The host's name and the GPUs' UUIDs are recorded: they tell which machine a result is from.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace assay {

/// Keys: build, libraries, cpu, gpus, gpu_reason, system, environment, command, started_utc, findings.
/// `findings` lists what makes the machine unfit to measure, each {severity, what, meaning, action}.
nlohmann::ordered_json collect_provenance(const std::vector<std::string>& command);

/// Its parts.  `root` is where /proc, /sys and /etc are found: tests pass a folder of their own.
nlohmann::ordered_json build_provenance();
nlohmann::ordered_json library_provenance();
nlohmann::ordered_json cpu_provenance(const std::filesystem::path& root = "/");
nlohmann::ordered_json system_provenance(const std::filesystem::path& root = "/");
/// One entry per GPU that CUDA shows; empty with `reason` set where there is none.
nlohmann::ordered_json gpu_provenance(std::string& reason);
/// Only the variables on the allow-list.  `environment` is the process's own, NAME=value, ended by a null pointer.
nlohmann::ordered_json environment_provenance(const char* const* environment);
/// The rest of a provenance -> what makes this machine noisy or unfit.
nlohmann::ordered_json findings(const nlohmann::ordered_json& provenance);

/// "2026-01-31T12:34:56Z"
std::string utc_now();

}  // namespace assay
