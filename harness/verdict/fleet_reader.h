// Result files of many nodes, each reduced to what judging needs as it is read: thousands of them in seconds.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "harness/record/result.h"
#include "harness/verdict/outliers.h"

namespace assay {

/// A case as all devices of a fleet share it: its id with "gpu" for "gpu3" and "core" for "core2", and with the
/// placement class of its samples behind it where they have one, because classes are never compared with each other.
struct FleetCase {
  std::string id, workload;
};

/// Numbers the cases.  Threads may share it while files are read.
class FleetCases {
 public:
  std::uint32_t number_of(const std::string& id, const std::string& workload);
  std::size_t size() const { return cases_.size(); }
  const FleetCase& operator[](std::size_t i) const { return cases_[i]; }

 private:
  std::mutex mutex_;
  std::vector<FleetCase> cases_;
  std::unordered_map<std::string, std::uint32_t> numbers_;
};

/// A device within its node: a GPU's ordinal, the whole CPU, or, where its cores are measured one by one, a core.
inline constexpr int kCpuDevice = -1;
constexpr int core_device(int core) { return kCpuDevice - 1 - core; }
/// "gpu3", "cpu", "core2": as Case::device_name() has it.
std::string fleet_device_name(int device);

/// One case of one device that was measured and right.
struct FleetValue {
  std::uint32_t point = 0;  // FleetCases
  std::uint32_t file = 0;   // of the node's
  std::int32_t device = kCpuDevice;
  double median = 0;  // seconds
  Quantiles quantiles{};
};

/// One that was not.
struct FleetFailure {
  std::string id;
  std::int32_t device = kCpuDevice;
  OutcomeKind outcome = OutcomeKind::failed;
  std::string reason;
  std::uint32_t file = 0;
};

/// Of the output of one that was soaked and right.
struct FleetDigest {
  std::int32_t device = kCpuDevice;
  std::string digest_of, computed_by, digest;
  std::uint32_t file = 0;

  /// Said by the same device of the same, wherever it stands.
  bool repeats(const FleetDigest& other) const {
    return device == other.device && digest_of == other.digest_of && computed_by == other.computed_by &&
           digest == other.digest;
  }
};

struct FleetNode {
  std::string name;      // its host's, with the file's behind it where two hosts share one
  std::string hardware;  // "8 x NVIDIA H200, AMD EPYC 9654": like is compared with like
  std::vector<std::string> files;
  std::map<int, std::string> uuids;  // of its GPUs
  std::string started_utc;
  bool complete = true;
  Seal seal = Seal::none;  // of the file it was read from
  std::vector<FleetValue> values;
  std::vector<FleetFailure> failures;
  std::vector<FleetDigest> digests;  // of several runs all: a device that contradicts itself is wrong

  std::string device_name(int device) const;  // "GPU 3", "CPU", "core 2"
};

/// A file that counts for nothing: it cannot be read, or it is not as it was measured.
struct Unreadable {
  std::string file, why;
  std::string node = {};  // where the file still said whose it is
};

struct FleetFiles {
  std::vector<FleetNode> nodes;  // by name
  std::vector<Unreadable> unreadable;
  std::vector<std::string> notes;  // what was done with results of the same node
};

/// Reads with all cores.  Files of one node (host name and GPUs) become one node; of a case that is there twice the
/// later run counts.  Files whose seal is broken count for nothing, nor do those of an older assay, which have none,
/// unless `unsealed` are taken.
FleetFiles read_fleet(const std::vector<std::filesystem::path>&, FleetCases&, bool unsealed = false);

/// One file.  InputError as load_result() gives it.
FleetNode read_fleet_node(const std::filesystem::path&, FleetCases&);
/// The same by one pass of simdjson; null where anything is not as that expects it.
std::optional<FleetNode> fast_read_fleet_node(const std::filesystem::path&, FleetCases&);
/// The same through load_result(), which looks at everything: what the fast reader is held to.
FleetNode slow_read_fleet_node(const std::filesystem::path&, FleetCases&);

/// The record behind a value, with its telemetry.
Record read_fleet_record(const std::filesystem::path&, const std::string& case_id, int device);

/// Files, folders (their *.json, at any depth) and patterns (where no shell has expanded them), each file once, in
/// order.  InputError where a word leads to no file.
std::vector<std::filesystem::path> expand_results(const std::vector<std::string>& words);

}  // namespace assay
