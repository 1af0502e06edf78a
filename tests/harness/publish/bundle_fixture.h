// Results that name their node wherever one may be named, and bundles of them.
#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <map>

#include "harness/core/error.h"
#include "harness/core/file.h"
#include "harness/core/sha256.h"
#include "harness/publish/bundle/archive.h"
#include "harness/publish/bundle/bundle.h"
#include "tests/harness/record/sample_records.h"

namespace assay {

namespace fs = std::filesystem;
using Files = std::map<std::string, std::string>;

inline constexpr const char* kUuid = "GPU-01234567-89ab-cdef-0123-456789abcdef";

/// A result of a node that tells its name in as many places as there are.
inline Result telling(const std::string& host, const std::string& uuid) {
  Result result = sample_result({ok_record(64), ok_record(65)});
  auto& p = result.provenance;
  p["system"]["hostname"] = host + ".acme.example";
  p["system"]["board_serial"] = "SN0042X";
  p["gpus"] = {{{"index", 0}, {"name", "NVIDIA H200"}, {"uuid", uuid}}};
  p["environment"]["CUDA_VISIBLE_DEVICES"] = uuid;
  p["environment"]["NCCL_TOPO_FILE"] = "/home/alice/topo.xml";
  p["command"] = {"/home/alice/bin/assay", "run", "--out=/home/alice/r.json", "--filter", "gemm/*"};
  p["findings"] = {{{"severity", "info"}, {"what", host + ": board SN0042X"}, {"meaning", "-"}, {"action", "-"}}};
  result.records[0].description = "on " + host + ", " + uuid.substr(4);
  result.records[1].outcome = {OutcomeKind::failed, "lost " + host + "-ib0: " + uuid};
  result.records[1].measurement = {};
  result.records[1].check.reset();
  StragglerReport stragglers;
  stragglers.members = {{0, host, "gpu0", {}, {}, {}, {}, 0}};
  stragglers.notes = {host + " is slow"};
  result.stragglers = stragglers;
  return result;
}

class Bundle : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("bundle_test_" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    save_result(telling("Mercury7", kUuid), at("mercury7.json"));
    save_result(telling("venus", "GPU-fedcba98-7654-3210-fedc-ba9876543210"), at("venus.json"));
    save_result(telling("Mercury7", kUuid), at("later.json"));
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path at(const char* name) const { return folder_ / name; }
  std::vector<fs::path> results() const { return {at("mercury7.json"), at("venus.json"), at("later.json")}; }
  Files contents(const char* name) const {
    Files out;
    read_archive(read_file(at(name)), name, {}, [&](const std::string& n, std::string&& text) { out[n] = text; });
    return out;
  }
  /// An archive of these files, with SHA256SUMS made anew unless told not to.
  void pack(const char* name, Files files, bool with_sums = true) const {
    if (with_sums) {
      std::string sums;
      files.erase(kBundleSums);
      for (const auto& [file, text] : files) sums += sha256_hex(text) + "  " + file + "\n";
      files[kBundleSums] = sums;
    }
    ArchiveWriter writer;
    for (const auto& [file, text] : files) writer.add("packed/" + file, text);
    write_file_atomically(at(name), writer.finish());
  }
  /// What verification complains of; empty where it does not.
  std::string complaint(const char* name, const ArchiveLimits& limits = {}) const {
    try {
      verify_bundle(at(name), limits);
    } catch (const InputError& error) {
      return error.what();
    }
    return {};
  }
  fs::path folder_;
};

}  // namespace assay
