// Which kernels an entry runs, on which devices, with which element types.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "assay/build_config.h"
#include "harness/core/error.h"
#include "harness/core/glob.h"
#include "harness/suite/entry.h"
#include "harness/suite/keys.h"
#include "harness/suite/wording.h"

namespace assay {
namespace {

/// Kernels are named after what they need (a library's first, an architecture's last), so that the name of one that is
/// not in this build can be told from a misspelled one.
struct NameOfCapability {
  const char* capability;
  bool present;
  const char* pattern;
};
constexpr NameOfCapability kNames[] = {
    {"CUDA", ASSAY_HAS_CUDA, "*_sm?*"},
    {"CUDA", ASSAY_HAS_CUDA, "simt_*"},
    {"cuDNN", ASSAY_HAS_CUDNN, "cudnn*"},
    {"cuBLASLt", ASSAY_HAS_CUBLASLT, "cublas*"},
    {"NCCL", ASSAY_HAS_NCCL, "nccl*"},
    {"MPI", ASSAY_HAS_MPI, "openmpi*"},
    {"OpenBLAS", ASSAY_HAS_OPENBLAS, "openblas*"},
    {"oneDNN", ASSAY_HAS_ONEDNN, "onednn*"},
};

/// The capability this build lacks and a kernel of that name would need; null where there is none.
const char* lacking_capability(std::string_view kernel) {
  for (const auto& row : kNames)
    if (!row.present && glob_match(row.pattern, kernel)) return row.capability;
  return nullptr;
}

bool is_pattern(std::string_view text) { return text.find_first_of("*?") != std::string_view::npos; }

std::vector<std::string> kernel_names(const WorkloadKind& kind) {
  std::vector<std::string> names;
  for (const auto& kernel : kind.kernels) names.push_back(kernel.name);
  return names;
}

std::vector<std::string> texts(const Values* values, const char* otherwise) {
  if (!values) return {otherwise};
  std::vector<std::string> out;
  for (const auto& value : values->list) out.push_back(std::get<std::string>(value));
  return out;
}

/// A workload whose cases each use all devices at once.
bool spans_devices(const WorkloadKind& kind) {
  return std::any_of(kind.axes.begin(), kind.axes.end(), [](const AxisSpec& axis) { return axis.name == "ranks"; });
}

/// "gpu3" -> 3; -1 for anything else.
int ordinal(std::string_view word) {
  if (!word.starts_with("gpu")) return -1;
  const auto number = parse_count(word.substr(3));
  return number && *number < 1024 && word == fmt::format("gpu{}", *number) ? int(*number) : -1;
}

void check_device_word(const std::string& word, const std::string& place) {
  const std::vector<std::string> known = {"auto", "cpu", "gpu", "all", "cpu_fallback"};
  if (std::find(known.begin(), known.end(), word) == known.end() && ordinal(word) < 0)
    throw InputError(fmt::format("{}: is \"{}\", expected one of {}, gpu0, gpu1, ...{}", place, printable(word),
                                 join(known), did_you_mean(word, known)));
}

struct DeviceAt {
  Device device;
  int index;
  bool operator<(const DeviceAt& other) const {
    return std::pair(device, index) < std::pair(other.device, other.index);
  }
};

/// What one word of "device" means on this machine.
std::vector<DeviceAt> resolve(const std::string& word, const Machine& machine) {
  std::vector<DeviceAt> cpu, gpus;
  if (machine.cpu) cpu.push_back({Device::cpu, 0});
  for (const int index : machine.gpus) gpus.push_back({Device::gpu, index});
  if (word == "cpu") return cpu;
  if (word == "gpu") return gpus;
  if (word == "cpu_fallback") return gpus.empty() || machine.auto_means_all ? cpu : std::vector<DeviceAt>{};
  if (word == "auto" && !machine.auto_means_all) return gpus.empty() ? cpu : gpus;
  if (word == "auto" || word == "all") {
    gpus.insert(gpus.end(), cpu.begin(), cpu.end());
    return gpus;
  }
  const int index = ordinal(word);
  const bool here = std::find(machine.gpus.begin(), machine.gpus.end(), index) != machine.gpus.end();
  return here ? std::vector<DeviceAt>{{Device::gpu, index}} : std::vector<DeviceAt>{};
}

/// The same thing is left out of many entries, and said once.
void add_note(std::vector<std::string>& notes, std::string note) {
  if (std::find(notes.begin(), notes.end(), note) == notes.end()) notes.push_back(std::move(note));
}

std::vector<DeviceAt> devices_of(const Entry& entry, const Machine& machine, std::vector<std::string>& notes) {
  std::vector<DeviceAt> devices;
  std::set<DeviceAt> seen;
  const Values* values = entry.find("device");
  for (const auto& word : texts(values, "auto")) {
    check_device_word(word, values ? values->place : entry.place);
    const auto found = resolve(word, machine);
    if (found.empty() && word != "cpu_fallback")
      add_note(notes, fmt::format("cases for device {}: there is none here", word));
    for (DeviceAt at : found) {
      if (spans_devices(*entry.kind)) at.index = 0;  // all GPUs together, once
      if (seen.insert(at).second) devices.push_back(at);
    }
  }
  return devices;
}

std::vector<DType> dtypes_of(const Entry& entry) {
  std::vector<DType> out;
  for (const auto& value : entry.find("dtype")->list) {
    DType dtype{};
    parse_dtype(std::get<std::string>(value), dtype);
    out.push_back(dtype);
  }
  return out;
}

bool takes(const KernelSpec& kernel, DType dtype) {
  return std::find(kernel.dtypes.begin(), kernel.dtypes.end(), dtype) != kernel.dtypes.end();
}

/// A plain name promises a case; where there is none, either the suite is wrong or the build or machine lacks it.
void check_plain_name(const Entry& entry, const std::string& name, const std::vector<DType>& dtypes,
                      const std::vector<DeviceAt>& devices, std::vector<std::string>& notes) {
  const std::string place = entry.find("kernel")->place;
  const KernelSpec* kernel = find_kernel(*entry.kind, name);
  if (!kernel) {
    if (const char* capability = lacking_capability(name))
      add_note(notes, fmt::format("{}: kernel {} needs {}, which this build lacks: no case", place, name, capability));
    else if (!entry.kernel_overridden)
      throw InputError(fmt::format("{}: {} has no kernel \"{}\"; this build has {}{}", place, entry.kind->name,
                                   printable(name), join(kernel_names(*entry.kind)),
                                   did_you_mean(name, kernel_names(*entry.kind))));
    return;
  }
  if (std::none_of(dtypes.begin(), dtypes.end(), [&](DType dtype) { return takes(*kernel, dtype); })) {
    std::vector<std::string> known;
    for (const DType dtype : kernel->dtypes) known.push_back(assay::name(dtype));
    const std::string why =
        fmt::format("{}: kernel {} takes none of the dtypes asked for, only {}", place, name, join(known));
    if (!entry.kernel_overridden) throw InputError(why);
    add_note(notes, why + ": no case");
  } else if (std::none_of(devices.begin(), devices.end(),
                          [&](const DeviceAt& at) { return at.device == kernel->device; })) {
    add_note(notes, fmt::format("{}: kernel {} runs on a {}, which is not among the devices here: no case", place, name,
                                assay::name(kernel->device)));
  }
}

}  // namespace

Machine narrow(const DevicesPresent& present, const std::vector<AxisOverride>& overrides) {
  Machine whole;
  for (int i = 0; i < present.gpus; ++i) whole.gpus.push_back(i);
  const auto given = std::find_if(overrides.begin(), overrides.end(), [](const auto& o) { return o.axis == "device"; });
  if (given == overrides.end()) return whole;
  Machine left{false, {}, false};
  for (const auto& word : given->values) {
    check_device_word(word, "--set device");
    const auto found = resolve(word, whole);
    if (found.empty() && word != "cpu_fallback")
      throw MeasureError(fmt::format("--set device={}: this machine has {} usable GPU{}", word, present.gpus,
                                     present.gpus == 1 ? "" : "s"));
    for (const auto& at : found)
      if (at.device == Device::cpu)
        left.cpu = true;
      else if (std::find(left.gpus.begin(), left.gpus.end(), at.index) == left.gpus.end())
        left.gpus.push_back(at.index);
    left.auto_means_all |= word == "all";
  }
  return left;
}

std::vector<KernelChoice> choose_kernels(const Entry& entry, const Machine& machine, std::vector<std::string>& notes) {
  const auto dtypes = dtypes_of(entry);
  const auto devices = devices_of(entry, machine, notes);
  const auto patterns = texts(entry.find("kernel"), "*");
  for (const auto& pattern : patterns)
    if (!is_pattern(pattern)) check_plain_name(entry, pattern, dtypes, devices, notes);
  std::vector<KernelChoice> choices;
  for (const DType dtype : dtypes)
    for (const auto& at : devices)
      for (const auto& kernel : entry.kind->kernels) {
        const bool wanted = std::any_of(patterns.begin(), patterns.end(),
                                        [&](const std::string& pattern) { return glob_match(pattern, kernel.name); });
        if (wanted && kernel.device == at.device && takes(kernel, dtype))
          choices.push_back({&kernel, at.device, at.index, dtype});
      }
  return choices;
}

void check_overridden_kernels(const std::vector<Entry>& entries) {
  const auto overridden =
      std::find_if(entries.begin(), entries.end(), [](const Entry& entry) { return entry.kernel_overridden; });
  if (overridden == entries.end()) return;
  std::vector<std::string> known;
  for (const auto& entry : entries)
    for (const auto& name : kernel_names(*entry.kind))
      if (std::find(known.begin(), known.end(), name) == known.end()) known.push_back(name);
  for (const auto& pattern : texts(overridden->find("kernel"), "*")) {
    const bool matched =
        std::any_of(known.begin(), known.end(), [&](const std::string& name) { return glob_match(pattern, name); });
    if (!matched && !is_pattern(pattern) && !lacking_capability(pattern))
      throw InputError(fmt::format("--set kernel: no workload of the suite has a kernel \"{}\"; this build has {}{}",
                                   printable(pattern), join(known), did_you_mean(pattern, known)));
  }
}

}  // namespace assay
