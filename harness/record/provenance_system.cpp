#include <sys/utsname.h>

#include <sstream>

#include "harness/core/system_files.h"
#include "harness/record/provenance.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;
using std::filesystem::path;

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

/// Which container engine this runs in, as far as its traces tell; null: none seen.
std::optional<std::string> container(const path& root) {
  std::error_code ignored;
  if (std::filesystem::exists(root / ".dockerenv", ignored)) return "docker";
  if (std::filesystem::exists(root / "run/.containerenv", ignored)) return "podman";
  if (std::filesystem::exists(root / ".singularity.d", ignored)) return "apptainer";
  const std::string groups = small_file(root / "proc/1/cgroup");
  for (const char* engine : {"kubepods", "docker", "lxc", "containerd"})
    if (groups.find(engine) != std::string::npos) return engine;
  return std::nullopt;
}

Json load_average(const path& root) {
  std::istringstream text(small_file(root / "proc/loadavg"));
  double one = 0, five = 0, fifteen = 0;
  if (!(text >> one >> five >> fifteen)) return Json::array();
  return Json::array({one, five, fifteen});
}

/// "madvise" out of "always [madvise] never".
std::optional<std::string> transparent_huge_pages(const path& root) {
  const auto line = first_line(root / "sys/kernel/mm/transparent_hugepage/enabled");
  if (!line) return std::nullopt;
  const auto open = line->find('['), close = line->find(']');
  if (open == std::string::npos || close == std::string::npos || close < open) return std::nullopt;
  return line->substr(open + 1, close - open - 1);
}

/// GPUs on the PCI bus, whether a driver serves them or not.
int nvidia_gpus_on_bus(const path& root) {
  constexpr const char* kNvidia = "0x10de";
  constexpr const char* kDisplayClass = "0x03";  // VGA and 3D controllers
  std::error_code failed;
  int count = 0;
  for (std::filesystem::directory_iterator device(root / "sys/bus/pci/devices", failed), end; !failed && device != end;
       device.increment(failed)) {
    const auto vendor = first_line(device->path() / "vendor"), kind = first_line(device->path() / "class");
    if (vendor && kind && *vendor == kNvidia && kind->rfind(kDisplayClass, 0) == 0) ++count;
  }
  return count;
}

Json kibibytes(const std::string& meminfo, const char* key) {
  constexpr double kMost = 1e15;  // an exabyte: more is no memory's size
  const auto value = to_number(value_of(meminfo, key, ':'));
  return value && *value >= 0 && *value <= kMost ? Json(std::uint64_t(*value) * 1024) : Json(nullptr);
}

}  // namespace

Json system_provenance(const path& root) {
  const std::string meminfo = small_file(root / "proc/meminfo");
  Json out;
  out["hostname"] = or_null(first_line(root / "proc/sys/kernel/hostname"));
  out["os"] = or_null(value_of(small_file(root / "etc/os-release"), "PRETTY_NAME", '='));
  utsname kernel{};
  if (::uname(&kernel) == 0) {
    out["kernel"] = std::string(kernel.sysname) + " " + kernel.release;
    out["machine"] = kernel.machine;
  }
  out["container"] = or_null(container(root));
  out["product"] = or_null(first_line(root / "sys/class/dmi/id/product_name"));
  out["manufacturer"] = or_null(first_line(root / "sys/class/dmi/id/sys_vendor"));
  out["memory_bytes"] = kibibytes(meminfo, "MemTotal");
  out["memory_available_bytes"] = kibibytes(meminfo, "MemAvailable");
  out["load_average"] = load_average(root);
  out["transparent_huge_pages"] = or_null(transparent_huge_pages(root));
  out["nvidia_gpus_on_bus"] = nvidia_gpus_on_bus(root);
  std::error_code ignored;
  out["nvidia_driver_loaded"] = std::filesystem::exists(root / "proc/driver/nvidia/version", ignored);
  return out;
}

}  // namespace assay
