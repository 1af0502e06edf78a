#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>

#include "harness/cli/cli.h"
#include "harness/cli/selection.h"
#include "harness/cli/terminal.h"
#include "harness/core/error.h"
#include "harness/core/units.h"
#include "harness/record/provenance.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

/// A value in a sentence; "-" where the machine does not say.
std::string text(const Json& value) {
  if (value.is_null()) return "-";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string bytes(const Json& value) {
  return value.is_number() ? format_bytes(value.get<double>()) : std::string("-");
}

std::string cpu_text(const Json& cpu) {
  std::string caches;
  for (const auto& cache : cpu["caches"])
    caches += fmt::format("{}{} {} x {}", caches.empty() ? "" : ", ", text(cache["name"]), text(cache["count"]),
                          bytes(cache["bytes"]));
  return fmt::format(
      "CPU: {}\n  {} cores, {} threads, {} of them ours; {} NUMA node(s); caches: {}\n"
      "  governor {}, boost {}, SMT {}, hypervisor {}\n",
      text(cpu["model"]), text(cpu["cores"]), text(cpu["threads"]), text(cpu["allowed_threads"]),
      text(cpu["numa_nodes"]), caches.empty() ? "-" : caches, text(cpu["governor"]), text(cpu["boost"]),
      text(cpu["smt"]), text(cpu["hypervisor"]));
}

std::string gpus_text(const Json& provenance) {
  std::string out;
  for (const auto& gpu : provenance["gpus"]) {
    const auto field = [&](const char* key) { return gpu.value(key, Json()); };
    out += fmt::format("GPU {}: {}, sm_{}, {} SMs, {}, PCI {}, ECC {}, power limit {} W, driver {}\n",
                       text(gpu["index"]), text(gpu["name"]), text(field("compute_capability")),
                       text(field("multiprocessors")), bytes(field("memory_bytes")), text(field("pci_bus_id")),
                       text(field("ecc")), text(field("power_limit_watts")), text(field("driver_version")));
  }
  if (!out.empty()) return out;
  out = fmt::format("GPU: none: {}\n", text(provenance["gpu_reason"]));
  for (const auto& gpu : provenance["nvml"]["devices"])
    out += fmt::format("  NVML sees {}: {}, PCI {}, ECC {}, power limit {} W\n", text(gpu["index"]), text(gpu["name"]),
                       text(gpu["pci_bus_id"]), text(gpu["ecc"]), text(gpu["power_limit_watts"]));
  return out;
}

std::string build_text(const Json& provenance) {
  const Json& build = provenance["build"];
  std::string capabilities, libraries;
  for (const auto& [name, there] : build["capabilities"].items())
    capabilities += fmt::format("{}{} {}", capabilities.empty() ? "" : ", ", name, there == true ? "yes" : "no");
  for (const auto& [name, version] : provenance["libraries"].items())
    if (!version.is_null()) libraries += fmt::format("  {}: {}\n", name, text(version));
  return fmt::format("Assay {} ({}{}), {}, {}\n  capabilities: {}\nLibraries:\n{}", text(build["version"]),
                     text(build["revision"]), build["dirty"] == true ? ", changed" : "", text(build["type"]),
                     text(build["compiler"]), capabilities, libraries);
}

std::string severity_text(const std::string& severity) {
  if (severity == "info") return severity;
  return painted(severity, severity == "unfit" ? Tone::bad : Tone::open, terminal_style());
}

std::string findings_text(const Json& findings) {
  if (findings.empty()) return "Nothing was found that speaks against measuring here.\n";
  std::string out = "Findings:\n";
  for (const auto& one : findings)
    out += fmt::format("  {}: {}\n    {}\n    what to do: {}\n", severity_text(text(one["severity"])),
                       text(one["what"]), text(one["meaning"]), text(one["action"]));
  return out;
}

std::string as_text(const Json& provenance) {
  const Json& system = provenance["system"];
  return gpus_text(provenance) + cpu_text(provenance["cpu"]) +
         fmt::format("System: {}, {}, container {}, {} memory, load {}\n", text(system["os"]), text(system["kernel"]),
                     text(system["container"]), bytes(system["memory_bytes"]), text(system["load_average"])) +
         build_text(provenance) + findings_text(provenance["findings"]);
}

}  // namespace

void add_devices(CLI::App& app, const Catalog&, int& exit_code) {
  const auto json = std::make_shared<bool>(false);
  const auto expected = std::make_shared<std::optional<int>>();
  CLI::App* verb = app.add_subcommand("devices", "what is here, and what makes the machine unfit to measure");
  verb->add_flag("--json", *json, "as JSON, as a result file records it");
  verb->add_option("--expect-gpus", *expected, "the machine is unfit, and the exit code 4, unless CUDA shows so many")
      ->type_name("N")
      ->check(whole_between(0, 1024));
  verb->callback([json, expected, &exit_code] {
    const Json provenance = collect_provenance({"assay", "devices"}, *expected);
    if (*json)
      print(provenance.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
    else
      print_text(as_text(provenance));
    for (const char* device : {"cpu", "gpu"})
      if (!unfit_for(provenance["findings"], device).empty()) exit_code = int(ExitCode::could_not_measure);
  });
}

}  // namespace assay
