// A stand-in for the driver's NVML: GPUs whose values follow a script over time.
//
// The environment's ASSAY_FAKE_NVML_SCRIPT names the script; without it there is one healthy GPU.  Its lines:
//   gpus 8                                          how many there are
//   at 0.5 s: gpu0.sm_clock=1200 gpu0.limits=power_cap,thermal
//   grow: gpu0.energy=700000                        of a counter, so much a second (energy in mJ: 700 W)
//   lack nvmlDeviceGetFieldValues                   this driver has no such query
// A value holds from its moment on; unknown names end the process, so that a script's slip cannot pass a test.  Time is
// the seconds since nvmlInit_v2, or what a test sets by fake_nvml_set_seconds().
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

constexpr int kSuccess = 0, kInvalidArgument = 2, kNotSupported = 3, kTimeout = 10;

/// A healthy GPU's: the names that a script may set.
const std::map<std::string, double> kDefaults = {{"sm_clock", 1980},
                                                 {"sm_clock_max", 1980},
                                                 {"memory_clock", 2619},
                                                 {"memory_clock_max", 2619},
                                                 {"power", 690000},
                                                 {"power_average", 680000},
                                                 {"power_limit", 700000},
                                                 {"power_default", 700000},
                                                 {"power_max", 700000},
                                                 {"energy", 5000000},
                                                 {"temperature", 45},
                                                 {"memory_temperature", 50},
                                                 {"ecc", 1},
                                                 {"ecc_pending", 1},
                                                 {"ecc_corrected", 0},
                                                 {"ecc_uncorrected", 0},
                                                 {"remapped_rows", 0},
                                                 {"remap_pending", 0},
                                                 {"remap_failed", 0},
                                                 {"pages_pending", 0},
                                                 {"mig", 0},
                                                 {"persistence", 1},
                                                 {"pcie_generation", 5},
                                                 {"pcie_generation_max", 5},
                                                 {"pcie_width", 16},
                                                 {"pcie_width_max", 16},
                                                 {"pcie_replays", 0},
                                                 {"nvlinks", 18},
                                                 {"nvlinks_active", 18},
                                                 {"nvlink_errors", 0},
                                                 {"process", 0},
                                                 {"xid", 0},
                                                 {"limits", 0},
                                                 {"power_violation", 0},
                                                 {"thermal_violation", 0}};
const std::map<std::string, unsigned> kLimits = {
    {"none", 0},        {"idle", 1},     {"application_clocks", 2}, {"power_cap", 4},    {"hardware_slowdown", 8},
    {"sync_boost", 16}, {"thermal", 32}, {"hardware_thermal", 64},  {"power_brake", 128}};

[[noreturn]] void refuse(const std::string& what) {
  std::fprintf(stderr, "fake NVML: %s\n", what.c_str());
  std::abort();
}

struct Change {
  double seconds = 0, value = 0;
};

struct Gpu {
  int index = 0;
  std::map<std::string, std::vector<Change>> changes;
  std::map<std::string, double> growth;  // a second
  std::size_t xids_told = 0;
};

struct State {
  std::vector<Gpu> gpus = std::vector<Gpu>(1);
  std::set<std::string> lacking;
  std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now();
  double set_seconds = -1;

  double now() const {
    if (set_seconds >= 0) return set_seconds;
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  }
};

State& state() {
  static State only;
  return only;
}

int& users() {
  static int count = 0;
  return count;
}

double parse_value(const std::string& name, const std::string& text) {
  if (name != "limits") return std::strtod(text.c_str(), nullptr);
  double bits = 0;
  std::istringstream words(text);
  for (std::string word; std::getline(words, word, ',');) {
    if (!kLimits.contains(word)) refuse("no limit is called " + word);
    bits += kLimits.at(word);
  }
  return bits;
}

/// "gpu0.sm_clock=1200"
void apply(const std::string& word, double seconds, bool grows) {
  const auto dot = word.find('.'), equals = word.find('=');
  if (word.rfind("gpu", 0) != 0 || dot == std::string::npos || equals == std::string::npos) refuse("what is " + word);
  const std::size_t gpu = std::stoul(word.substr(3, dot - 3));
  const std::string name = word.substr(dot + 1, equals - dot - 1);
  if (gpu >= state().gpus.size() || !kDefaults.contains(name)) refuse("there is no " + word.substr(0, equals));
  const double value = parse_value(name, word.substr(equals + 1));
  if (grows)
    state().gpus[gpu].growth[name] = value;
  else
    state().gpus[gpu].changes[name].push_back({seconds, value});
}

void read_script() {
  const char* path = std::getenv("ASSAY_FAKE_NVML_SCRIPT");
  state() = State();
  if (!path || !*path) return;
  std::ifstream script(path);
  if (!script) refuse(std::string("cannot read ") + path);
  for (std::string line; std::getline(script, line);) {
    std::istringstream words(line);
    std::string first, word;
    double seconds = 0;
    std::size_t count = 0;
    if (!(words >> first) || first[0] == '#') continue;
    if (first == "gpus" && words >> count) {
      state().gpus.resize(count);
    } else if (first == "lack" && words >> word) {
      state().lacking.insert(word);
    } else if (first == "at" && words >> seconds >> word && word == "s:") {
      while (words >> word) apply(word, seconds, false);
    } else if (first == "grow:") {
      while (words >> word) apply(word, 0, true);
    } else {
      refuse("what does this line say: " + line);
    }
  }
  for (std::size_t i = 0; i < state().gpus.size(); ++i) state().gpus[i].index = int(i);
}

bool lacks(const char* function) { return state().lacking.contains(function); }

double value_of(const void* device, const char* name) {
  const Gpu& gpu = *static_cast<const Gpu*>(device);
  double value = kDefaults.at(name);
  const auto changes = gpu.changes.find(name);
  if (changes != gpu.changes.end())
    for (const Change& change : changes->second)
      if (change.seconds <= state().now()) value = change.value;
  const auto growth = gpu.growth.find(name);
  return growth == gpu.growth.end() ? value : value + growth->second * state().now();
}

template <class T>
int give(const char* function, void* device, const char* name, T* out) {
  if (lacks(function)) return kNotSupported;
  *out = T(value_of(device, name));
  return kSuccess;
}

int text(char* out, unsigned bytes, const std::string& value) {
  std::snprintf(out, bytes, "%s", value.c_str());
  return kSuccess;
}

std::string bus_id(int index) {  // GPU 0 is 0000:17:00.0
  char out[32];
  std::snprintf(out, sizeof out, "00000000:%02X:00.0", 0x17 + index);
  return out;
}

struct PciInfo {
  char legacy[16];
  unsigned domain, bus, device, id, subsystem;
  char bus_id[32];
};
struct FieldValue {
  unsigned field, scope;
  long long timestamp, latency;
  int type, status;
  union {
    double as_double;
    unsigned as_unsigned;
    unsigned long long as_long;
  };
};
struct Violation {
  unsigned long long microseconds, nanoseconds;
};
struct Process {
  unsigned pid;
  unsigned long long bytes;
  unsigned gpu_instance, compute_instance;
};
struct Event {
  void* device;
  unsigned long long type, data;
  unsigned gpu_instance, compute_instance;
};

}  // namespace

extern "C" {

void fake_nvml_set_seconds(double seconds) { state().set_seconds = seconds; }

int nvmlInit_v2() {
  if (users()++ == 0) read_script();  // NVML counts its users, and handles outlive all but the last
  return kSuccess;
}
int nvmlShutdown() {
  --users();
  return kSuccess;
}
int nvmlSystemGetDriverVersion(char* out, unsigned bytes) { return text(out, bytes, "580.00"); }
int nvmlSystemGetNVMLVersion(char* out, unsigned bytes) { return text(out, bytes, "13.580.00"); }
int nvmlSystemGetCudaDriverVersion_v2(int* version) {
  *version = 13000;
  return kSuccess;
}
int nvmlDeviceGetCount_v2(unsigned* count) {
  *count = unsigned(state().gpus.size());
  return kSuccess;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device) {
  if (index >= state().gpus.size()) return kInvalidArgument;
  *device = &state().gpus[index];
  return kSuccess;
}
int nvmlDeviceGetHandleByPciBusId_v2(const char* id, void** device) {
  for (Gpu& gpu : state().gpus)
    if (bus_id(gpu.index).ends_with(id) || bus_id(gpu.index) == id) return *device = &gpu, kSuccess;
  return 6;  // NVML_ERROR_NOT_FOUND
}
int nvmlDeviceGetPciInfo_v3(void* device, PciInfo* out) {
  *out = {};
  return text(out->bus_id, sizeof out->bus_id, bus_id(static_cast<Gpu*>(device)->index));
}
int nvmlDeviceGetName(void*, char* out, unsigned bytes) { return text(out, bytes, "NVIDIA Fake"); }
int nvmlDeviceGetUUID(void* device, char* out, unsigned bytes) {
  return text(out, bytes, "GPU-" + std::to_string(static_cast<Gpu*>(device)->index));
}
int nvmlDeviceGetPowerUsage(void* d, unsigned* out) { return give("nvmlDeviceGetPowerUsage", d, "power_average", out); }
int nvmlDeviceGetEnforcedPowerLimit(void* d, unsigned* out) {
  return give("nvmlDeviceGetEnforcedPowerLimit", d, "power_limit", out);
}
int nvmlDeviceGetPowerManagementDefaultLimit(void* d, unsigned* out) {
  return give("nvmlDeviceGetPowerManagementDefaultLimit", d, "power_default", out);
}
int nvmlDeviceGetPowerManagementLimitConstraints(void* d, unsigned* least, unsigned* most) {
  *least = 200000;
  return give("nvmlDeviceGetPowerManagementLimitConstraints", d, "power_max", most);
}
int nvmlDeviceGetTotalEnergyConsumption(void* d, unsigned long long* out) {
  return give("nvmlDeviceGetTotalEnergyConsumption", d, "energy", out);
}
int nvmlDeviceGetClockInfo(void* d, int kind, unsigned* out) {
  return give("nvmlDeviceGetClockInfo", d, kind == 1 ? "sm_clock" : "memory_clock", out);
}
int nvmlDeviceGetMaxClockInfo(void* d, int kind, unsigned* out) {
  return give("nvmlDeviceGetMaxClockInfo", d, kind == 1 ? "sm_clock_max" : "memory_clock_max", out);
}
int nvmlDeviceGetTemperature(void* d, int, unsigned* out) {
  return give("nvmlDeviceGetTemperature", d, "temperature", out);
}
int nvmlDeviceGetCurrentClocksEventReasons(void* d, unsigned long long* out) {
  return give("nvmlDeviceGetCurrentClocksEventReasons", d, "limits", out);
}
int nvmlDeviceGetViolationStatus(void* d, int policy, Violation* out) {
  if (policy > 1) return kNotSupported;
  out->microseconds = 0;
  return give("nvmlDeviceGetViolationStatus", d, policy == 0 ? "power_violation" : "thermal_violation",
              &out->nanoseconds);
}
int nvmlDeviceGetFieldValues(void* d, int count, FieldValue* fields) {
  for (int i = 0; i < count; ++i) {
    const unsigned field = fields[i].field;
    const char* name = field == 186   ? "power"
                       : field == 185 ? "power_average"
                       : field == 82  ? "memory_temperature"
                                      : "";
    fields[i].status = *name ? give("nvmlDeviceGetFieldValues", d, name, &fields[i].as_unsigned) : kNotSupported;
  }
  return kSuccess;
}
int nvmlDeviceGetEccMode(void* d, unsigned* now, unsigned* later) {
  give("nvmlDeviceGetEccMode", d, "ecc_pending", later);
  return give("nvmlDeviceGetEccMode", d, "ecc", now);
}
int nvmlDeviceGetTotalEccErrors(void* d, int kind, int, unsigned long long* out) {
  return give("nvmlDeviceGetTotalEccErrors", d, kind == 0 ? "ecc_corrected" : "ecc_uncorrected", out);
}
int nvmlDeviceGetRemappedRows(void* d, unsigned* corrected, unsigned* uncorrected, unsigned* pending,
                              unsigned* failed) {
  *corrected = 0;
  give("nvmlDeviceGetRemappedRows", d, "remap_pending", pending);
  give("nvmlDeviceGetRemappedRows", d, "remap_failed", failed);
  return give("nvmlDeviceGetRemappedRows", d, "remapped_rows", uncorrected);
}
int nvmlDeviceGetRetiredPagesPendingStatus(void* d, unsigned* out) {
  return give("nvmlDeviceGetRetiredPagesPendingStatus", d, "pages_pending", out);
}
int nvmlDeviceGetMigMode(void* d, unsigned* now, unsigned* later) {
  give("nvmlDeviceGetMigMode", d, "mig", later);
  return give("nvmlDeviceGetMigMode", d, "mig", now);
}
int nvmlDeviceGetPersistenceMode(void* d, unsigned* out) {
  return give("nvmlDeviceGetPersistenceMode", d, "persistence", out);
}
int nvmlDeviceGetCurrPcieLinkGeneration(void* d, unsigned* out) {
  return give("nvmlDeviceGetCurrPcieLinkGeneration", d, "pcie_generation", out);
}
int nvmlDeviceGetMaxPcieLinkGeneration(void* d, unsigned* out) {
  return give("nvmlDeviceGetMaxPcieLinkGeneration", d, "pcie_generation_max", out);
}
int nvmlDeviceGetCurrPcieLinkWidth(void* d, unsigned* out) {
  return give("nvmlDeviceGetCurrPcieLinkWidth", d, "pcie_width", out);
}
int nvmlDeviceGetMaxPcieLinkWidth(void* d, unsigned* out) {
  return give("nvmlDeviceGetMaxPcieLinkWidth", d, "pcie_width_max", out);
}
int nvmlDeviceGetPcieReplayCounter(void* d, unsigned* out) {
  return give("nvmlDeviceGetPcieReplayCounter", d, "pcie_replays", out);
}
int nvmlDeviceGetNvLinkState(void* d, unsigned link, unsigned* active) {
  if (link >= value_of(d, "nvlinks")) return kInvalidArgument;
  *active = link < value_of(d, "nvlinks_active");
  return kSuccess;
}
int nvmlDeviceGetNvLinkErrorCounter(void* d, unsigned link, int kind, unsigned long long* out) {
  *out = 0;  // all errors are replays of the first link
  return link == 0 && kind == 0 ? give("nvmlDeviceGetNvLinkErrorCounter", d, "nvlink_errors", out) : kSuccess;
}
int nvmlDeviceGetComputeRunningProcesses_v3(void* d, unsigned* count, Process* out) {
  const double pid = value_of(d, "process");
  *count = pid > 0;
  if (pid > 0) *out = {unsigned(pid), 1ull << 30, 0, 0};
  return kSuccess;
}
int nvmlEventSetCreate(void** set) {
  if (lacks("nvmlEventSetCreate")) return kNotSupported;
  *set = new void*(nullptr);
  return kSuccess;
}
int nvmlDeviceRegisterEvents(void* device, unsigned long long, void* set) {
  *static_cast<void**>(set) = device;
  Gpu& gpu = *static_cast<Gpu*>(device);
  const auto& xids = gpu.changes["xid"];  // what came before is not told
  while (gpu.xids_told < xids.size() && xids[gpu.xids_told].seconds <= state().now()) ++gpu.xids_told;
  return kSuccess;
}
/// Every moment at which a script sets an Xid is one event.
int nvmlEventSetWait_v2(void* set, Event* event, unsigned) {
  Gpu& gpu = *static_cast<Gpu*>(*static_cast<void**>(set));
  const auto& xids = gpu.changes["xid"];
  if (gpu.xids_told >= xids.size() || xids[gpu.xids_told].seconds > state().now()) return kTimeout;
  *event = {&gpu, 8, (unsigned long long)(xids[gpu.xids_told++].value), 0, 0};
  return kSuccess;
}
int nvmlEventSetFree(void* set) {
  delete static_cast<void**>(set);
  return kSuccess;
}
}  // extern "C"
