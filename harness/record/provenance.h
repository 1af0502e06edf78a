// Everything that moves the numbers: build, libraries, CPU, GPUs, operating system, settings.
// Environment variables come from an allow-list only: a result is published, and environments hold secrets.
// The host's name and the GPUs' UUIDs are recorded: they tell which machine a result is from.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

/// Keys: build, libraries, cpu, gpus, gpu_reason, nvml, system, environment, command, started_utc, findings.
/// `findings` lists what makes the machine noisy or unfit to measure, each {severity, concerns, what, meaning, action}.
nlohmann::ordered_json collect_provenance(const std::vector<std::string>& command,
                                          std::optional<int> expected_gpus = std::nullopt);

/// Its parts.  `root` is where /proc, /sys and /etc are found: tests pass a folder of their own.
nlohmann::ordered_json build_provenance();
nlohmann::ordered_json library_provenance();
nlohmann::ordered_json cpu_provenance(const std::filesystem::path& root = "/");
nlohmann::ordered_json system_provenance(const std::filesystem::path& root = "/");
/// One entry per GPU that CUDA shows; empty with `reason` set where there is none.
nlohmann::ordered_json gpu_provenance(std::string& reason);
/// The driver's view, whether CUDA shows its GPUs or not: {reason, driver_version, nvml_version, cuda_driver, devices}.
nlohmann::ordered_json nvml_provenance();
/// Only the variables on the allow-list.  `environment` is the process's own, NAME=value, ended by a null pointer.
nlohmann::ordered_json environment_provenance(const char* const* environment);
/// The rest of a provenance -> what makes this machine noisy or unfit.
nlohmann::ordered_json findings(const nlohmann::ordered_json& provenance,
                                std::optional<int> expected_gpus = std::nullopt);
/// What makes this machine unfit for cases of "cpu" or "gpu", each with what to do; empty where nothing does.
std::string unfit_for(const nlohmann::ordered_json& findings, std::string_view concerns);

/// "2026-01-31T12:34:56Z"
std::string utc_now();

}  // namespace assay
