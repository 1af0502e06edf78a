// Any files under /proc, /sys and /etc are a machine: what cannot be made out is absent, no number is below 0 or
// without end, and nothing is thrown.  A text is a machine's files, each after a line "@its/path"; "@@its/path" is what
// the file holds after a while.
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>

#include "harness/backends/cgroup.h"
#include "harness/backends/last_level_cache.h"
#include "harness/measure/processes.h"
#include "harness/measure/telemetry_sources.h"
#include "harness/record/provenance.h"
#include "tests/fuzz/fuzz_target.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

/// In memory where the system has such a folder; gone with its owner.
class Root {
 public:
  Root() {
    std::error_code none;
    const fs::path memory = "/dev/shm";
    path_ = (fs::is_directory(memory, none) ? memory : fs::temp_directory_path()) /
            ("assay_machine_fuzz_" + std::to_string(::getpid()));
    fs::create_directories(path_);
  }
  ~Root() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Root(const Root&) = delete;
  Root& operator=(const Root&) = delete;

  const fs::path& path() const { return path_; }
  /// A path that leads elsewhere, or that the system refuses, is no file of a machine.
  void write(const std::string& file, const std::string& text) const {
    constexpr std::size_t kLongest = 200;
    if (file.empty() || file.size() > kLongest || file.find('\0') != std::string::npos) return;
    const fs::path where = (path_ / fs::path(file).relative_path()).lexically_normal();
    if (where.string().find(path_.string() + "/") != 0) return;
    std::error_code refused;
    fs::create_directories(where.parent_path(), refused);
    if (!refused && !fs::is_directory(where, refused)) std::ofstream(where) << text;
  }
  void write_all(std::string_view text, const std::string& mark) const {
    constexpr int kMostFiles = 200;
    std::istringstream lines{std::string(text)};
    std::string file, content;
    int files = 0;
    for (std::string line; std::getline(lines, line) && files < kMostFiles;) {
      if (!line.starts_with('@')) {
        content += line + "\n";
        continue;
      }
      write(file, content), ++files, content.clear();
      const bool wanted = line.starts_with(mark) && (mark.size() > 1 || !line.starts_with("@@"));
      file = wanted ? line.substr(mark.size()) : "";
    }
    write(file, content);
  }

 private:
  fs::path path_;
};

void require_size(std::optional<double> value, const char* what) {
  require(!value || (std::isfinite(*value) && *value >= 0), what);
}

/// JSON has no infinity: a number that is none would be read as null.
void require_numbers(const nlohmann::ordered_json& json) {
  if (json.is_number_float()) require_size(json.get<double>(), "what a machine tells is a number of at least 0");
  if (json.is_structured())
    for (const auto& one : json) require_numbers(one);
}

void require_telemetry(const Telemetry& seen) {
  for (const Reading& one : seen.readings) require_size(one.clock_mhz, "a clock is a number");
  for (const LimitTime& one : seen.limits) require_size(one.seconds, "a limit's time is a number");
  for (const OtherProcess& one : seen.others) require_size(one.cpu_seconds, "a process's time is a number");
  require_size(seen.other_load, "a load is a number");
  require_size(seen.steal_share, "a share is a number");
  require_size(seen.throttled_seconds, "a quota's time is a number");
}

void look_at(const Root& root, std::string_view text) {
  const fs::path membership = root.path() / "proc/self/cgroup", groups = root.path() / "sys/fs/cgroup";
  const auto telemetry = cpu_telemetry({0, 1}, root.path());
  telemetry->begin();
  Telemetry seen;
  seen.readings.push_back(telemetry->look());
  // hwloc looks at the machine there is, which takes ten times as long as all the rest.
  constexpr std::size_t kSeldom = 8;
  if (text.size() % kSeldom == 0) require_numbers(cpu_provenance(root.path()));
  require_numbers(system_provenance(root.path()));
  require_size(cgroup_limits(membership, groups).cpus, "a quota is a number");
  last_level_cache_from_sysfs({0, 1}, (root.path() / "sys/devices/system/cpu").c_str());
  root.write_all(text, "@@");
  seen.readings.push_back(telemetry->look());
  Telemetry end = telemetry->end(1);
  end.readings = std::move(seen.readings);
  require_telemetry(end);
}

}  // namespace
}  // namespace assay

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const assay::Root root;
  const std::string_view text = assay::as_text(data, size);
  root.write_all(text, "@");
  assay::look_at(root, text);
  return 0;
}
