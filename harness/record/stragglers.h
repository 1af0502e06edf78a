// What a search for stragglers found: who is slow, and what points at them.
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace assay {

/// What is slow about one that is: its arithmetic, its memory, its connection to all others, its connection to one, or
/// nothing that was measured, but it comes late.
enum class StragglerCause : std::uint8_t { compute, memory, node_link, pair_link, arrival };
const char* name(StragglerCause);

/// A rank's device: all of a CPU that is the rank's, or a GPU.
struct StragglerMember {
  int rank = 0;
  std::string host;
  std::string device;  // "cpu", "gpu0"
  // What was measured of it in the first pass; none where it was not.
  std::optional<double> compute_seconds, memory_seconds;  // of a probe
  std::optional<double> wait_seconds;                     // median between its arrival and the end, of an operation
  std::optional<double> late_seconds;                     // median of its arrival less the others'
  int last = 0;                                           // operations in which it came last
};

/// "rank 2 (node7, cpu)"
std::string describe(const StragglerMember&);

struct Straggler {
  StragglerCause cause = StragglerCause::compute;
  StragglerMember who;
  std::optional<StragglerMember> partner;  // of a connection
  double slowdown = 0;  // 0.21: takes 21 % longer than the others; of arrival, late by that part of the work before it
  std::vector<std::string> evidence;
  std::string verdict;  // one line with all of it
};

struct StragglerPair {
  int a = 0, b = 0;  // ranks
  double seconds = 0;
};

struct StragglerReport {
  std::string reason;  // why nothing could be judged; empty where it was
  int operations = 0;  // that were compared
  int passes = 0;
  std::vector<StragglerMember> members;
  std::vector<StragglerPair> pairs;
  std::vector<Straggler> found;
  std::vector<std::string> notes;  // what was not measured or not judged, and why
};

nlohmann::ordered_json to_json(const StragglerReport&);
/// InputError naming `source` and the place.
StragglerReport stragglers_from_json(const nlohmann::ordered_json&, const std::string& source,
                                     const std::string& place);

}  // namespace assay
