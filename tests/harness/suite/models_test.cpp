// The shapes derived from a model's dimensions, against shapes published for its training.
#include "harness/suite/models.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "harness/core/error.h"

namespace assay {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

struct Row {
  const char* model;
  std::int64_t tensor_parallel, tokens, expert_parallel;
  const char* layer;
  std::int64_t m, n, k;  // of the forward pass
};

/// Typed in from published tables of training shapes, not computed: what the derivation must arrive at.
constexpr Row kRows[] = {
    {"llama3-8b", 1, 8192, 0, "qkv", 8192, 6144, 4096},
    {"llama3-8b", 1, 8192, 0, "attn_out", 8192, 4096, 4096},
    {"llama3-8b", 1, 8192, 0, "gate_up", 8192, 28672, 4096},
    {"llama3-8b", 1, 8192, 0, "down", 8192, 4096, 14336},
    {"llama3-8b", 1, 8192, 0, "head", 8192, 128256, 4096},
    {"llama3-70b", 8, 8192, 0, "qkv", 8192, 1280, 8192},
    {"llama3-70b", 8, 8192, 0, "attn_out", 8192, 8192, 1024},
    {"llama3-70b", 8, 8192, 0, "gate_up", 8192, 7168, 8192},
    {"llama3-70b", 8, 8192, 0, "down", 8192, 8192, 3584},
    {"llama3-70b", 8, 8192, 0, "head", 8192, 16032, 8192},
    {"llama3-70b", 4, 8192, 0, "qkv", 8192, 2560, 8192},
    {"llama3-70b", 4, 8192, 0, "attn_out", 8192, 8192, 2048},
    {"llama3-70b", 4, 8192, 0, "gate_up", 8192, 14336, 8192},
    {"llama3-70b", 4, 8192, 0, "down", 8192, 8192, 7168},
    {"llama3-70b", 4, 8192, 0, "head", 8192, 32064, 8192},
    {"llama3-405b", 8, 8192, 0, "qkv", 8192, 2304, 16384},
    {"llama3-405b", 8, 8192, 0, "attn_out", 8192, 16384, 2048},
    {"llama3-405b", 8, 8192, 0, "gate_up", 8192, 13312, 16384},
    {"llama3-405b", 8, 8192, 0, "down", 8192, 16384, 6656},
    {"llama3-405b", 8, 8192, 0, "head", 8192, 16032, 16384},
    {"gpt3-175b", 8, 2048, 0, "qkv", 2048, 4608, 12288},
    {"gpt3-175b", 8, 2048, 0, "attn_out", 2048, 12288, 1536},
    {"gpt3-175b", 8, 2048, 0, "fc1", 2048, 6144, 12288},
    {"gpt3-175b", 8, 2048, 0, "fc2", 2048, 12288, 6144},
    {"gpt3-175b", 8, 2048, 0, "head", 2048, 6400, 12288},
    {"mixtral-8x7b", 1, 4096, 0, "qkv", 4096, 6144, 4096},
    {"mixtral-8x7b", 1, 4096, 0, "attn_out", 4096, 4096, 4096},
    {"mixtral-8x7b", 1, 4096, 8, "expert_gate_up", 8192, 28672, 4096},
    {"mixtral-8x7b", 1, 4096, 8, "expert_down", 8192, 4096, 14336},
    {"mixtral-8x7b", 1, 4096, 0, "head", 4096, 32000, 4096},
    {"tiny", 1, 512, 0, "qkv", 512, 512, 256},  // ours
    {"tiny", 1, 512, 0, "attn_out", 512, 256, 256},
    {"tiny", 1, 512, 0, "gate_up", 512, 1408, 256},
    {"tiny", 1, 512, 0, "down", 512, 256, 704},
    {"tiny", 1, 512, 0, "head", 512, 256, 256},
    {"deepseek-v3", 1, 4096, 0, "q_a_kv_a", 4096, 2112, 7168},
    {"deepseek-v3", 1, 4096, 0, "q_b", 4096, 24576, 1536},
    {"deepseek-v3", 1, 4096, 0, "kv_b", 4096, 32768, 512},
    {"deepseek-v3", 1, 4096, 0, "attn_out", 4096, 7168, 16384},
    {"deepseek-v3", 1, 4096, 0, "shared_gate_up", 4096, 4096, 7168},
    {"deepseek-v3", 1, 4096, 0, "gate_up", 4096, 36864, 7168},
    {"deepseek-v3", 1, 4096, 0, "shared_down", 4096, 7168, 2048},
    {"deepseek-v3", 1, 4096, 0, "down", 4096, 7168, 18432},
    {"deepseek-v3", 1, 4096, 0, "head", 4096, 129280, 7168},
    {"deepseek-v3", 1, 4096, 0, "router", 4096, 256, 7168},
    {"deepseek-v3", 1, 4096, 64, "expert_gate_up", 8192, 4096, 7168},
    {"deepseek-v3", 1, 4096, 64, "expert_down", 8192, 7168, 2048},
    {"deepseek-v3", 1, 4096, 32, "expert_down", 4096, 7168, 2048},
    {"deepseek-v3", 1, 4096, 16, "expert_down", 2048, 7168, 2048},
    // By hand from the released dimensions.
    {"kimi-k2", 1, 4096, 0, "q_a_kv_a", 4096, 2112, 7168},
    {"kimi-k2", 1, 4096, 0, "q_b", 4096, 12288, 1536},
    {"kimi-k2", 1, 4096, 0, "kv_b", 4096, 16384, 512},
    {"kimi-k2", 1, 4096, 0, "attn_out", 4096, 7168, 8192},
    {"kimi-k2", 1, 4096, 0, "shared_gate_up", 4096, 4096, 7168},
    {"kimi-k2", 1, 4096, 0, "gate_up", 4096, 36864, 7168},
    {"kimi-k2", 1, 4096, 0, "shared_down", 4096, 7168, 2048},
    {"kimi-k2", 1, 4096, 0, "down", 4096, 7168, 18432},
    {"kimi-k2", 1, 4096, 0, "head", 4096, 163840, 7168},
    {"kimi-k2", 1, 4096, 0, "router", 4096, 384, 7168},
    {"kimi-k2", 1, 4096, 96, "expert_gate_up", 8192, 4096, 7168},
    {"kimi-k2", 1, 4096, 96, "expert_down", 8192, 7168, 2048},
    {"mixtral-8x22b", 1, 4096, 0, "qkv", 4096, 8192, 6144},
    {"mixtral-8x22b", 1, 4096, 0, "attn_out", 4096, 6144, 6144},
    {"mixtral-8x22b", 1, 4096, 8, "expert_gate_up", 8192, 32768, 6144},
    {"mixtral-8x22b", 1, 4096, 8, "expert_down", 8192, 6144, 16384},
    {"mixtral-8x22b", 1, 4096, 0, "head", 4096, 32000, 6144},
    {"qwen3-235b-a22b", 1, 4096, 0, "qkv", 4096, 9216, 4096},
    {"qwen3-235b-a22b", 1, 4096, 0, "attn_out", 4096, 4096, 8192},
    {"qwen3-235b-a22b", 1, 4096, 0, "router", 4096, 128, 4096},
    {"qwen3-235b-a22b", 1, 4096, 32, "expert_gate_up", 8192, 3072, 4096},
    {"qwen3-235b-a22b", 1, 4096, 32, "expert_down", 8192, 4096, 1536},
    {"qwen3-235b-a22b", 1, 4096, 0, "head", 4096, 151936, 4096},
    {"qwen3-30b-a3b", 1, 4096, 0, "qkv", 4096, 5120, 2048},
    {"qwen3-30b-a3b", 1, 4096, 0, "attn_out", 4096, 2048, 4096},
    {"qwen3-30b-a3b", 1, 4096, 0, "router", 4096, 128, 2048},
    {"qwen3-30b-a3b", 1, 4096, 8, "expert_gate_up", 2048, 1536, 2048},
    {"qwen3-30b-a3b", 1, 4096, 8, "expert_down", 2048, 2048, 768},
    {"qwen3-30b-a3b", 1, 4096, 0, "head", 4096, 151936, 2048},
};

const ModelGemm& find(const std::vector<ModelGemm>& gemms, const std::string& layer, const std::string& pass) {
  for (const auto& gemm : gemms)
    if (gemm.layer == layer && gemm.pass == pass) return gemm;
  throw std::runtime_error("no " + layer + " " + pass);
}

void expect_shape(const ModelGemm& gemm, GemmLayout layout, std::int64_t m, std::int64_t n, std::int64_t k) {
  EXPECT_EQ(gemm.m, m) << gemm.label;
  EXPECT_EQ(gemm.n, n) << gemm.label;
  EXPECT_EQ(gemm.k, k) << gemm.label;
  EXPECT_EQ(gemm.layout, layout) << gemm.label;
}

TEST(Models, EveryPublishedShape) {
  for (const auto& row : kRows) {
    const auto gemms = find_model(row.model).gemms(row.tensor_parallel, row.tokens, row.expert_parallel);
    expect_shape(find(gemms, row.layer, "forward"), GemmLayout::tn, row.m, row.n, row.k);
    expect_shape(find(gemms, row.layer, "dgrad"), GemmLayout::nn, row.m, row.k, row.n);
    expect_shape(find(gemms, row.layer, "wgrad"), GemmLayout::nt, row.n, row.k, row.m);
  }
}

TEST(Models, WholeExamples) {
  const auto small = find_model("llama3-8b").gemms(1, 8192);
  expect_shape(find(small, "down", "forward"), GemmLayout::tn, 8192, 4096, 14336);
  expect_shape(find(small, "down", "dgrad"), GemmLayout::nn, 8192, 14336, 4096);
  expect_shape(find(small, "down", "wgrad"), GemmLayout::nt, 4096, 14336, 8192);
  const auto large = find_model("llama3-405b").gemms(8, 8192);
  expect_shape(find(large, "gate_up", "dgrad"), GemmLayout::nn, 8192, 16384, 13312);
  expect_shape(find(large, "gate_up", "wgrad"), GemmLayout::nt, 13312, 16384, 8192);
  expect_shape(find(find_model("llama3-70b").gemms(8, 8192), "qkv", "wgrad"), GemmLayout::nt, 1280, 8192, 8192);
}

TEST(Models, NothingButThePublishedLayers) {
  std::map<std::string, std::set<std::string>> layers;
  for (const auto& row : kRows) layers[row.model].insert(row.layer);
  for (const char* name : {"mixtral-8x7b", "mixtral-8x22b"})
    layers[name].insert("router");  // too small for the published table: n = 8
  const std::set<std::string> dense = {"qkv", "attn_out", "gate_up", "down", "head"};
  for (const char* name : {"qwen3-8b", "qwen3-32b", "llama4-maverick"}) layers[name] = dense;
  layers["llama4-scout"] = {"qkv", "attn_out", "head"};
  for (const char* name : {"llama4-scout", "llama4-maverick"})
    layers[name].insert({"router", "expert_gate_up", "expert_down", "shared_gate_up", "shared_down"});
  for (const auto& model : models()) {
    std::set<std::string> derived;
    for (const auto& gemm : model.gemms(1, 4096)) derived.insert(gemm.layer);
    EXPECT_EQ(derived, layers[model.name]) << model.name;
  }
}

TEST(Models, LabelsSayModelLayerPassAndDegree) {
  EXPECT_EQ(find(find_model("llama3-70b").gemms(8, 64), "qkv", "forward").label, "llama3-70b/qkv/forward/tp8");
  EXPECT_EQ(find(find_model("mixtral-8x7b").gemms(1, 64), "expert_down", "wgrad").label,
            "mixtral-8x7b/expert_down/wgrad/ep8");
}

TEST(Models, AllAreThere) {
  std::vector<std::string> names;
  for (const auto& model : models()) {
    names.push_back(model.name);
    EXPECT_FALSE(model.source.empty());
    EXPECT_FALSE(model.full_name.empty());
  }
  EXPECT_THAT(names,
              ::testing::ElementsAre("deepseek-v3", "gpt3-175b", "kimi-k2", "llama3-405b", "llama3-70b", "llama3-8b",
                                     "llama4-maverick", "llama4-scout", "mixtral-8x22b", "mixtral-8x7b",
                                     "qwen3-235b-a22b", "qwen3-30b-a3b", "qwen3-32b", "qwen3-8b", "tiny"));
}

/// Parameters of all layers, embedding and head, without norms and biases: a slip in a dimension moves the total.
TEST(Models, ParametersAddUpToTheModelsName) {
  const auto parameters = [](const char* name) {
    const Model& model = find_model(name);
    double total = 2.0 * double(model.vocabulary) * double(model.hidden);
    for (const auto& gemm : model.gemms(1, 1, 1))
      if (gemm.pass == "forward" && gemm.layer != "head") {
        const double experts = gemm.layer.starts_with("expert_") ? 8 : 1;
        total += double(model.layers) * experts * double(gemm.n) * double(gemm.k);
      }
    return total;
  };
  EXPECT_NEAR(parameters("llama3-8b") / 8.03e9, 1, 0.005);
  EXPECT_NEAR(parameters("llama3-70b") / 70.6e9, 1, 0.005);
  EXPECT_NEAR(parameters("llama3-405b") / 405.9e9, 1, 0.005);
  EXPECT_NEAR(parameters("gpt3-175b") / 175e9, 1, 0.01);  // its embedding is tied: counted once too often here
  EXPECT_NEAR(parameters("mixtral-8x7b") / 46.7e9, 1, 0.005);
}

TEST(Models, DegreesThatDoNotDivideAreRefused) {
  const auto refusal = [](const char* model, std::int64_t tp, std::int64_t ep) -> std::string {
    try {
      find_model(model).gemms(tp, 64, ep);
    } catch (const InputError& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_THAT(refusal("llama3-8b", 3, 0),
              AllOf(HasSubstr("llama3-8b"), HasSubstr("tensor_parallel 3"), HasSubstr("32 heads and 8 kv heads")));
  EXPECT_THAT(refusal("llama3-70b", 16, 0), HasSubstr("8 kv heads"));
  EXPECT_THAT(refusal("deepseek-v3", 7, 0), HasSubstr("does not divide the 24576 features of q_b"));
  EXPECT_THAT(refusal("mixtral-8x7b", 1, 3), HasSubstr("expert_parallel 3 does not divide its 8 experts"));
  EXPECT_THAT(refusal("llama3-8b", 0, 0), HasSubstr("at least 1"));
}

TEST(Models, AttentionOfOneRank) {
  const ModelAttention attention = find_model("llama3-405b").attention(8);
  EXPECT_EQ(attention.heads, 16);
  EXPECT_EQ(attention.kv_heads, 1);
  EXPECT_EQ(attention.head_dim, 128);
  EXPECT_EQ(attention.label, "llama3-405b/attention/tp8");
  EXPECT_THROW(find_model("llama3-405b").attention(16), InputError);
  EXPECT_THROW(find_model("llama3-405b").attention(0), InputError);
}

/// DeepSeek-V3's report, 4.2: 128 heads, 128 elements a head without position, 64 with; values of 128.
TEST(Models, LatentAttentionHasWiderQueriesThanValues) {
  const ModelAttention attention = find_model("deepseek-v3").attention(8);
  EXPECT_EQ(attention.heads, 16);
  EXPECT_EQ(attention.kv_heads, 16);
  EXPECT_EQ(attention.head_dim, 192);
  EXPECT_EQ(attention.head_dim_v, 128);
}

/// Experts on a rank and mean tokens each, as published for DeepSeek-V3 at three degrees; Mixtral has 8 experts.
TEST(Models, GroupedGemmsOfOneRanksExperts) {
  struct Published {
    const char* model;
    std::int64_t expert_parallel;
    const char* layer;
    std::int64_t groups, mean_rows, n, k;
  };
  constexpr Published kPublished[] = {
      {"deepseek-v3", 64, "expert_gate_up", 4, 8192, 4096, 7168},
      {"deepseek-v3", 64, "expert_down", 4, 8192, 7168, 2048},
      {"deepseek-v3", 32, "expert_down", 8, 4096, 7168, 2048},
      {"deepseek-v3", 16, "expert_gate_up", 16, 2048, 4096, 7168},
      {"deepseek-v3", 0, "expert_down", 4, 8192, 7168, 2048},
      {"mixtral-8x7b", 0, "expert_gate_up", 1, 8192, 28672, 4096},
      {"mixtral-8x7b", 1, "expert_down", 8, 1024, 4096, 14336},
  };
  for (const auto& row : kPublished) {
    const auto gemms = find_model(row.model).grouped_gemms(4096, row.expert_parallel);
    ASSERT_EQ(gemms.size(), 2u);  // the router is no expert, nor is the shared one
    const auto& gemm = gemms[0].layer == row.layer ? gemms[0] : gemms[1];
    EXPECT_EQ(gemm.layer, row.layer);
    EXPECT_EQ(gemm.groups, row.groups) << gemm.label;
    EXPECT_EQ(gemm.rows, row.groups * row.mean_rows) << gemm.label;
    EXPECT_EQ(gemm.n, row.n) << gemm.label;
    EXPECT_EQ(gemm.k, row.k) << gemm.label;
  }
  EXPECT_EQ(find_model("deepseek-v3").grouped_gemms(4096)[0].label, "deepseek-v3/expert_gate_up/ep64");
  EXPECT_THROW(find_model("llama3-8b").grouped_gemms(4096), InputError);
  EXPECT_THROW(find_model("mixtral-8x7b").grouped_gemms(4096, 3), InputError);
}

TEST(Models, AnUnknownNameIsRefusedWithThoseThereAre) {
  try {
    find_model("llama3-7b");
    FAIL();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(),
                AllOf(HasSubstr("'llama3-7b'"), HasSubstr("mixtral-8x7b"), HasSubstr("did you mean 'llama3-")));
  }
}

}  // namespace
}  // namespace assay
