#include <fmt/format.h>

#include "harness/core/units.h"
#include "harness/suite/accelerators.h"
#include "harness/verdict/expectations.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

Json member(const Json& object, const char* key) { return object.is_object() ? object.value(key, Json()) : Json(); }

std::string text(const Json& value) { return value.is_string() ? value.get<std::string>() : std::string(); }

double l1d_bytes_of(const Json& cpu) {
  const Json caches = member(cpu, "caches");
  if (!caches.is_array()) return 0;
  constexpr double kMost = 0x1p40;  // bytes; more is no cache's, and in the end no integer's
  for (const auto& cache : caches) {
    const Json bytes = member(cache, "bytes");
    if (text(member(cache, "name")) == "L1d" && bytes.is_number() && bytes > 0 && bytes <= kMost)
      return bytes.get<double>();
  }
  return 0;
}

}  // namespace

MachineWanted machine_of(const Json& provenance) {
  MachineWanted m;
  const Json gpus = member(provenance, "gpus");
  if (gpus.is_array() && !gpus.empty()) {
    const std::string model = text(member(gpus.front(), "name"));
    if (const Accelerator* known = find_accelerator(model))
      m.accelerator = known->name;
    else
      m.gpu_model = model;
    return m;
  }
  const Json cpu = member(provenance, "cpu");
  m.cpu_model = text(member(cpu, "model"));
  m.l1d_bytes = l1d_bytes_of(cpu);
  const Json threads = member(cpu, "allowed_threads");
  m.threads = threads.is_number_integer() ? threads.get<int>() : 0;
  return m;
}

bool is_wanted(const MachineWanted& wanted, const std::string& gpu_model) {
  if (wanted.accelerator.empty()) return !gpu_model.empty() && gpu_model == wanted.gpu_model;
  const Accelerator* known = find_accelerator(gpu_model);
  return known && known->name == wanted.accelerator;
}

bool matches(const MachineWanted& wanted, const Json& provenance) {
  if (wanted.is_gpu()) {
    const Json gpus = member(provenance, "gpus");
    if (!gpus.is_array()) return false;
    for (const auto& gpu : gpus)
      if (is_wanted(wanted, text(member(gpu, "name")))) return true;
    return false;
  }
  const MachineWanted here = machine_of(provenance);
  return here.cpu_model == wanted.cpu_model && (wanted.l1d_bytes == 0 || here.l1d_bytes == wanted.l1d_bytes) &&
         (wanted.threads == 0 || here.threads == wanted.threads);
}

std::string MachineWanted::describe() const {
  if (!accelerator.empty()) return accelerator_named(accelerator).full_name;
  if (!gpu_model.empty()) return gpu_model;
  std::string out = cpu_model.empty() ? "a CPU without a name" : cpu_model;
  if (l1d_bytes > 0) out += ", L1d " + format_bytes(l1d_bytes);
  if (threads > 0) out += fmt::format(", {} threads", threads);
  return out;
}

}  // namespace assay
