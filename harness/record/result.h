// A result file: schema version, provenance once, one record per case.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "harness/measure/sampler.h"
#include "harness/record/record.h"

namespace assay {

inline constexpr const char* kResultSchema = "assay-result/1";

struct Result {
  nlohmann::ordered_json provenance;    // record/provenance.h
  std::string suite;
  SamplingRule sampling;
  bool complete = false;                // every case of the plan has a record
  std::vector<Record> records;
};

std::string to_text(const Result&);
/// Validates against configs/schemas/result.schema.json and beyond (finite samples, unique ids).
Result parse_result(std::string_view text, const std::string& source);
Result load_result(const std::filesystem::path&);
void save_result(const Result&, const std::filesystem::path&);

/// The same samples as Google Benchmark's JSON, one row per sample, which its compare.py reads.
std::string to_google_benchmark(const Result&);

}  // namespace assay
