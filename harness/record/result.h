// A result file: schema version, provenance once, one record per case.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "harness/measure/sampler.h"
#include "harness/record/record.h"
#include "harness/record/stragglers.h"

namespace assay {

inline constexpr const char* kResultSchema = "assay-result/1";

/// Whether a result's text is still the one that was written: the file ends with the digest of all that stands before.
/// It shows a slip of an editor or a disk, and keeps nobody out who can compute a digest.
enum class Seal { none, intact, broken };
Seal seal_of(std::string_view text);
const char* name(Seal);
/// All of a result's text but its end -> the text with its seal.
std::string sealed(std::string text);

struct Result {
  nlohmann::ordered_json provenance;  // record/provenance.h
  std::string suite;
  SamplingRule sampling;
  bool complete = false;  // every case of the plan has a record
  std::vector<Record> records;
  Seal seal = Seal::none;                     // of the text it was parsed from, or saved as
  std::optional<StragglerReport> stragglers;  // of a suite that searches for them
};

nlohmann::ordered_json to_json(const SamplingRule&);
/// InputError naming `source` and the place.
SamplingRule sampling_from_json(const nlohmann::ordered_json&, const std::string& source, const std::string& place);

/// JSON with one line per record, so that a diff or a grep shows cases; sealed.
std::string to_text(const Result&);
/// Validates against configs/schemas/result.schema.json and beyond (finite samples, unique ids).
Result parse_result(std::string_view text, const std::string& source);
Result load_result(const std::filesystem::path&);
/// InputError too where its seal is broken: a file that was changed is a wrong file, not a slow machine's.
Result load_unchanged_result(const std::filesystem::path&);
void save_result(const Result&, const std::filesystem::path&);

/// The same samples as Google Benchmark's JSON, one row per sample, which its compare.py reads.  Cases that are not ok
/// have no rows (there a row is a time); the context names them.
std::string to_google_benchmark(const Result&);

}  // namespace assay
