// configs/references: what others measured of collectives, each figure with its source.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace assay {

struct ReferencePoint {
  double bytes = 0;
  double bus_bytes_per_second = 0;
};

/// Whether the switches reduced (NVLink SHARP).
enum class Nvls { unknown, on, off, unavailable };

struct ReferenceSeries {
  std::string system;       // "DGX H100"
  std::string accelerator;  // "h100", of configs/accelerators
  int gpus = 0;             // all ranks
  int nodes = 1;            // NVLink domains
  std::string operation;    // "all_reduce"
  Nvls nvls = Nvls::unknown;
  std::vector<ReferencePoint> points;  // by size, ascending
  std::string label;                   // the source in a word or two
  std::string source, conditions;      // document and date; how it was measured
  std::string no_ceiling;              // why no ceiling is known to hold there; else empty
};

/// The shipped ones (configs/references/collectives.json); parsed and validated once.
const std::vector<ReferenceSeries>& collective_references();

struct ReferenceQuery {
  std::string accelerator, operation;
  int gpus = 0, nodes = 1;
  double bytes = 0;
  Nvls nvls = Nvls::unknown;  // of what is compared; unknown: as libraries do by themselves, where that is on
};

/// A figure to compare with, at the query's size.
struct Reference {
  double bus_bytes_per_second = 0;
  const ReferenceSeries* series = nullptr;
};

/// A series has figures from half its smallest size to twice its largest: between two sizes they are interpolated in
/// the logarithms of both, beyond the ends they are the end's.  busbw changes fast with size, so that a figure further
/// away says nothing.
inline constexpr double kReferenceReach = 2;

/// Of the same accelerator, operation, ranks and nodes; where several series have one, the series with a size nearest.
std::optional<Reference> nearest_reference(const ReferenceQuery&, const std::vector<ReferenceSeries>&);

}  // namespace assay
