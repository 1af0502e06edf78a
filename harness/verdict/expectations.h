// What a node should reach: configs/expectations, one file for each accelerator, and files of one's own.
#pragma once
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/core/case.h"
#include "harness/record/result.h"
#include "harness/verdict/cause.h"

namespace assay {

enum class ExpectationKind {
  floor,   // a rate
  ratio,   // a share of the datasheet's peak, of the fastest library kernel at the same point, or of another case
  spread,  // of each GPU, a share of the median over the node's GPUs
};
const char* name(ExpectationKind);

/// Which rate of a case is meant.
enum class RateUnit { flops, bytes, bus_bytes };
/// "FLOP/s", "B/s", "bus B/s"
const char* name(RateUnit);
bool parse(std::string_view, RateUnit&);

/// Under what the figure was measured; null where its source does not state it.  Those of the case itself select: a
/// floor for normal data is not met by zeros.
struct Conditions {
  std::optional<Fill> data;
  std::optional<Cache> cache;
  std::optional<Mode> mode;
  Normal normal;
};

struct Expectation {
  std::string name;
  ExpectationKind kind = ExpectationKind::floor;
  std::string pattern;  // over case ids (core/glob.h): "gemm/*/gpu*/bf16/*"
  RateUnit unit = RateUnit::flops;
  double value = 0;         // in the unit; a ratio of 1 for ratio and spread
  double tolerance = 0;     // the floor is value * (1 - tolerance)
  std::string to;           // ratio: "datasheet", "vendor", or a pattern: the fastest match on the same device
  bool best = false;        // the fastest match must meet it; else each must
  bool per_gpu = false;     // on every GPU of the node; else once
  std::optional<int> gpus;  // only on nodes of so many
  std::string source, date, note;
  std::string low;  // why the floor is under 5 % of the peak; empty where it is not
  Conditions conditions;

  double least() const { return value * (1 - tolerance); }
};

/// Which machine the figures are of.
struct MachineWanted {
  std::string accelerator;  // of configs/accelerators; empty for a CPU and for a GPU that has no file there
  std::string gpu_model;    // as the driver names it, where there is no such file
  std::string cpu_model;    // as the CPU names itself; several generations may share a name:
  double l1d_bytes = 0;     // of one core; 0: any
  int threads = 0;          // that the process may use; 0: any

  bool operator==(const MachineWanted&) const = default;
  bool is_gpu() const { return cpu_model.empty(); }
  /// "NVIDIA H200 SXM 141GB", "AMD EPYC, L1d 32 KiB, 2 threads"
  std::string describe() const;
};
MachineWanted machine_of(const nlohmann::ordered_json& provenance);
/// Whether a GPU, as the driver names it, is the one wanted.
bool is_wanted(const MachineWanted&, const std::string& gpu_model);
/// Whether a provenance shows it: of GPUs, any.
bool matches(const MachineWanted&, const nlohmann::ordered_json& provenance);

struct Expectations {
  std::string file;  // where they are from, for messages
  std::string name, description, suite;
  MachineWanted machine;
  /// Of one GPU, one direction, all links; 0 where there are none: the peak of bus rates.
  double link_bytes_per_second = 0;
  int learned_from = 0;  // results; 0: published figures
  std::vector<Expectation> entries;
};

/// InputError naming file and entry for a breach of the schema and for figures that cannot be: above the peak of their
/// kind, or a floor under 5 % of it.
Expectations parse_expectations(std::string_view text, const std::string& file);
std::string to_text(const Expectations&);
/// The shipped ones; parsed once.
const std::vector<Expectations>& shipped_expectations();
/// A file, or the name of a shipped one; InputError naming those there are.
Expectations load_expectations(const std::string& file_or_name);
/// Shipped for the machine of this provenance; null where there are none.
const Expectations* expectations_for(const nlohmann::ordered_json& provenance);

/// What is wrong with an entry's figure; empty where it can be.
std::string implausibility(const Expectation&, const Expectations&);

/// The segment of a pattern or id: 0 workload, 1 kernel, 2 device, 3 dtype.
std::string segment(std::string_view pattern, int index);

}  // namespace assay
