// A user's own model, cluster and accelerator: what is in them counts, and what is wrong in them is named.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/core/error.h"
#include "harness/core/file.h"
#include "harness/suite/embedded.h"
#include "tests/harness/project/plans.h"

namespace assay {
namespace {

using testing::AllOf;
using testing::HasSubstr;

/// A shipped file with one text replaced by another.
std::string changed(const char* path, const std::string& from, const std::string& to) {
  std::string text(*embedded_file(path));
  const auto at = text.find(from);
  if (at == std::string::npos) throw std::logic_error("no " + from + " in " + path);
  return text.replace(at, from.size(), to);
}

std::string model_refusal(const char* path, const std::string& from, const std::string& to) {
  try {
    parse_model(changed(path, from, to), "mine.json");
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), testing::Not(HasSubstr("\n")));
    return error.what();
  }
  return "";
}

TEST(OwnModel, CountsAsWritten) {
  const std::string path = testing::TempDir() + "assay-own-model.json";
  write_file_atomically(path, changed("models/llama3-8b.json", "\"layers\": 32", "\"layers\": 33"));
  const Transformer t = load_model(path).transformer(), shipped = find_model("llama3-8b").transformer();
  EXPECT_EQ(parameters(t).total - parameters(shipped).total,
            (parameters(shipped).attention + parameters(shipped).dense + 2 * 4096));
  EXPECT_EQ(load_model("llama3-8b").layers, 32);
}

TEST(OwnModel, MistakesAreNamed) {
  const char* dense = "models/llama3-8b.json";
  EXPECT_THAT(model_refusal(dense, "\"layers\"", "\"layer\""), AllOf(HasSubstr("mine.json"), HasSubstr("layer")));
  EXPECT_THAT(model_refusal(dense, "\"layers\": 32", "\"layers\": -3"), HasSubstr("/layers"));
  EXPECT_THAT(model_refusal(dense, "\"layers\": 32", "\"layers\": NaN"), HasSubstr("mine.json:"));
  EXPECT_THAT(model_refusal(dense, "\"layers\": 32", "\"layers\": 1000000"),
              HasSubstr("/layers: 1000000, expected at most"));
  EXPECT_THAT(model_refusal(dense, "\"kv_heads\": 8", "\"kv_heads\": 7"),
              HasSubstr("/kv_heads: 7 do not divide the 32 heads"));
  EXPECT_THAT(
      model_refusal(dense, "\"feed_forward\": {\"form\": \"gated\", \"size\": 14336}", "\"tied_embedding\": true"),
      HasSubstr("expected /feed_forward, /experts, or both"));
  EXPECT_THAT(model_refusal(dense, "\"size\": 14336", "\"size\": 14336, \"layers\": 3"),
              HasSubstr("no /experts for the others"));
  const char* experts = "models/deepseek-v3.json";
  EXPECT_THAT(model_refusal(experts, ", \"layers\": 3}", "}"),
              HasSubstr("none of the 61 layers is left for the experts"));
  EXPECT_THAT(model_refusal(experts, "\"per_token\": 8", "\"per_token\": 512"),
              HasSubstr("/experts/per_token: 512, of 256"));
}

TEST(OwnCluster, CountsAsWritten) {
  const std::string path = testing::TempDir() + "assay-own-cluster.json";
  write_file_atomically(path, changed("clusters/dgx-h100.json", "\"gpus_per_node\": 8",
                                      R"("link_bytes_per_second": {"value": 123e9, "source": "mine", "date": "2026"},
      "gpus_per_node": 8)"));
  const Cluster mine = load_cluster(path);
  Hardware hw = hardware_of(accelerator_named("h100"));
  join(hw, mine.network());
  EXPECT_EQ(hw.link_bytes_per_second, 123e9);
  hw = hardware_of(accelerator_named("h100"));
  hw.links_measured = true, hw.link_bytes_per_second = 7e9;
  join(hw, mine.network());
  EXPECT_EQ(hw.link_bytes_per_second, 7e9);  // what was measured is known better
}

TEST(OwnCluster, MistakesAreNamed) {
  const auto refusal = [](const std::string& from, const std::string& to) {
    const std::string path = testing::TempDir() + "assay-own-cluster.json";
    write_file_atomically(path, changed("clusters/dgx-h100.json", from, to));
    try {
      load_cluster(path);
    } catch (const InputError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(refusal("\"nvlink_domain\"", "\"nvlink_domian\""), HasSubstr("nvlink_dom"));
  EXPECT_THAT(refusal("\"nvlink_domain\": 8", "\"nvlink_domain\": 12"), HasSubstr("/nvlink_domain: 12, which neither"));
  EXPECT_THAT(refusal("6.155", "0"), HasSubstr("/dollars_per_gpu_hour"));
  EXPECT_THAT(refusal("6.155", "-2"), HasSubstr("/dollars_per_gpu_hour"));
  EXPECT_THAT(refusal("3.79", "NaN"), HasSubstr("assay-own-cluster.json:"));
}

TEST(OwnAccelerator, CountsAsWritten) {
  const std::string path = testing::TempDir() + "assay-own-accelerator.json";
  write_file_atomically(path, changed("accelerators/h200.json", "\"name\": \"h200\"", "\"name\": \"mine\""));
  EXPECT_EQ(load_accelerator(path).name, "mine");
  EXPECT_EQ(hardware_of(load_accelerator(path)).memory_bytes, hardware_of(accelerator_named("h200")).memory_bytes);
}

// None of AMD's runs calibrates anything: the least share, attention as far from its peak as GEMMs are, its own links.
TEST(OtherMakers, AreNotFlattered) {
  Hardware hw = hardware_of(accelerator_named("mi300x"));
  EXPECT_LT(hw.attention_forward, hw.gemm_flops[0]);
  EXPECT_THAT(hw.link_note, HasSubstr("no links of AMD Instinct MI300X are known"));
  join(hw, cluster_named("mi300x-8").network());
  EXPECT_EQ(hw.link_note, "");
  EXPECT_EQ(hw.link_bytes_per_second, 336e9);
  std::string note;
  const double share = calibration().shares(hw, Precision::bf16, &note).compute[0];
  EXPECT_THAT(note, HasSubstr("no published run calibrates mi300x in bf16"));
  for (const char* known : {"a100", "h100"})
    EXPECT_LE(share, calibration().shares(hardware_of(accelerator_named(known)), Precision::bf16).compute[0]);
  projection_error(plan_405b(), hw, Shares{}, &note);
  EXPECT_THAT(note, HasSubstr("none of them on mi300x"));
}

TEST(Datasheets, AnH200IsNoSlowerThanAnH100) {
  const Hardware h200 = hardware_of(accelerator_named("h200"));
  for (const Precision precision : {Precision::bf16, Precision::fp8})
    EXPECT_GE(h200.gemm_flops[int(precision)], h100().gemm_flops[int(precision)]);
}

}  // namespace
}  // namespace assay
