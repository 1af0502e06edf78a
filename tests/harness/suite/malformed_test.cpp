// Suites that are none: every message names the place and what would be right.
#include "tests/harness/suite/suite_testing.h"

namespace assay {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string refused(const std::string& entries) { return refusal(suite_text(entries)); }

/// An entry that is fine but for `keys`, which come last.
std::string gemm(const std::string& keys) { return refused(R"({"workload": "gemm", "dtype": "f32", )" + keys + "}"); }

TEST(Malformed, NotJson) {
  EXPECT_THAT(refusal("{\"schema\": \"assay-suite/1\",\n \"name\": }"), StartsWith("t.json:2:10: syntax error"));
  EXPECT_THAT(refusal(R"({"name": "a", "name": "b"})"), StartsWith("t.json:1:15: key \"name\" is given twice"));
}

TEST(Malformed, WholeDocument) {
  EXPECT_THAT(refusal("[]"), AllOf(HasSubstr("t.json: the document"), HasSubstr("expected an object")));
  EXPECT_THAT(refusal(R"({"schema": "assay-suite/1", "name": "t"})"), HasSubstr("lacks the key \"cases\""));
  EXPECT_THAT(refusal(R"({"schema": "assay-suite/2", "name": "t", "cases": []})"),
              HasSubstr("/schema: is \"assay-suite/2\", expected \"assay-suite/1\""));
  EXPECT_THAT(refusal(suite_text("")), AllOf(HasSubstr("/cases"), HasSubstr("at least 1 element")));
  EXPECT_THAT(refusal(suite_text("3")), HasSubstr("/cases/0: is 3, expected an object"));
  EXPECT_THAT(refusal(suite_text("{}", R"("sampelling": {}, )")),
              AllOf(HasSubstr("/sampelling: unknown key"), HasSubstr("did you mean 'sampling'?")));
}

TEST(Malformed, Sampling) {
  const auto sampling = [](const std::string& inside) {
    return refusal(suite_text(R"({"workload": "gemm", "dtype": "f32", "m": 1, "n": 1, "k": 1})",
                              "\"sampling\": {" + inside + "}, "));
  };
  EXPECT_THAT(sampling(R"("min_samples": 0)"), HasSubstr("/sampling/min_samples: is 0, expected at least 1"));
  EXPECT_THAT(sampling(R"("min_samples": 1.5)"), HasSubstr("expected an integer"));
  EXPECT_THAT(sampling(R"("relative_half_width": 0)"), HasSubstr("expected more than 0"));
  EXPECT_THAT(sampling(R"("wall_seconds": "10")"), HasSubstr("/sampling/wall_seconds: is \"10\", expected a number"));
  EXPECT_THAT(sampling(R"("wall_seconds": 1e300)"), HasSubstr("expected at most 86400"));
  EXPECT_THAT(sampling(R"("min_samples": 50, "max_samples": 10)"),
              HasSubstr("/sampling/min_samples: is 50, expected at most max_samples, which is 10"));
  EXPECT_THAT(sampling(R"("wal_seconds": 3)"), HasSubstr("did you mean 'wall_seconds'?"));
}

TEST(Malformed, Search) {
  const auto search = [](const std::string& inside) {
    return refusal(suite_text(R"({"workload": "gemm", "dtype": "f32", "m": 1, "n": 1, "k": 1})",
                              "\"search\": {" + inside + "}, "));
  };
  EXPECT_THAT(search(R"("workload": "gemm")"), HasSubstr("/search: lacks the key \"sampling\""));
  EXPECT_THAT(search(R"("workload": "gemn", "sampling": {})"),
              HasSubstr("/search/workload: no workload is called \"gemn\""));
  EXPECT_THAT(search(R"("workload": "gemm", "finalists": 0, "sampling": {})"), HasSubstr("/search/finalists: is 0"));
  EXPECT_THAT(search(R"("workload": "gemm", "sampling": {"min_samples": 50, "max_samples": 10})"),
              HasSubstr("/search/sampling/min_samples: is 50"));
}

TEST(Malformed, Defaults) {
  const auto defaults = [](const std::string& inside) {
    return refusal(suite_text(R"({"workload": "gemm", "dtype": "f32", "m": 1, "n": 1, "k": 1})",
                              "\"defaults\": {" + inside + "}, "));
  };
  EXPECT_THAT(defaults(R"("cache": "warm")"), HasSubstr("/defaults/cache: is \"warm\", expected one of cold, hot"));
  EXPECT_THAT(defaults(R"("seed": -1)"),
              HasSubstr("/defaults/seed: is -1, expected a whole number from 0 to 9223372036854775807"));
  EXPECT_THAT(defaults(R"("seed": 18446744073709551615)"),
              HasSubstr("/defaults/seed: is 18446744073709551615, expected a whole"));
  EXPECT_THAT(defaults(R"("dtype": "f32")"), HasSubstr("/defaults/dtype: unknown key"));
  EXPECT_THAT(defaults(R"("device": "tpu")"), HasSubstr("/defaults/device: is \"tpu\""));
}

TEST(Malformed, Workload) {
  EXPECT_THAT(refused(R"({"dtype": "f32"})"), HasSubstr("/cases/0: lacks the key \"workload\""));
  EXPECT_THAT(refused(R"({"workload": "gem", "dtype": "f32"})"),
              AllOf(HasSubstr("/cases/0/workload: no workload is called \"gem\""),
                    HasSubstr("gemm, attention, all_reduce"), HasSubstr("did you mean 'gemm'?")));
  EXPECT_THAT(refused(R"({"workload": "gemm", "m": 1})"), HasSubstr("lacks the key \"dtype\""));
}

TEST(Malformed, Keys) {
  EXPECT_THAT(gemm(R"("m": 1, "n": 1, "k": 1, "heads": 4)"),
              AllOf(HasSubstr("/cases/0/heads: unknown key, gemm takes kernel"), HasSubstr("layout, m, n, k")));
  EXPECT_THAT(gemm(R"("m": 1, "n": 1, "k": 1, "kernal": "*")"), HasSubstr("did you mean 'kernel'?"));
  EXPECT_THAT(refused(R"({"workload": "all_reduce", "dtype": "f32", "bytes": 4, "model": "llama3-8b"})"),
              HasSubstr("/bytes: comes from \"model\""));
  EXPECT_THAT(
      refused(R"({"workload": "all_reduce", "dtype": "f32", "model": "llama3-8b", "tokens": 1, "message": "x"})"),
      HasSubstr("/message: no message of the models matches \"x\"; there are activations"));
  EXPECT_THAT(gemm(R"("m": 1, "n": 1)"), AllOf(HasSubstr("/cases/0: lacks the axis \"k\""), HasSubstr("gemm needs")));
}

TEST(Malformed, Values) {
  EXPECT_THAT(gemm(R"("m": 0, "n": 1, "k": 1)"),
              HasSubstr("/cases/0/m: is 0, expected a whole number from 1 to 1099511627776"));
  EXPECT_THAT(gemm(R"("m": [4, -3], "n": 1, "k": 1)"), HasSubstr("/cases/0/m/1: is -3"));
  EXPECT_THAT(gemm(R"("m": 1.5, "n": 1, "k": 1)"), HasSubstr("/cases/0/m: is 1.5"));
  EXPECT_THAT(gemm(R"("m": "64ki", "n": 1, "k": 1)"), HasSubstr("/cases/0/m: is \"64ki\""));
  EXPECT_THAT(gemm(R"("m": 18446744073709551615, "n": 1, "k": 1)"), HasSubstr("is 18446744073709551615"));
  EXPECT_THAT(gemm(R"("m": "99999999999999999999", "n": 1, "k": 1)"), HasSubstr("/cases/0/m"));
  EXPECT_THAT(gemm(R"("m": "9007199254740993Ti", "n": 1, "k": 1)"), HasSubstr("/cases/0/m"));
  EXPECT_THAT(gemm(R"("m": [], "n": 1, "k": 1)"),
              AllOf(HasSubstr("/cases/0/m: is an empty array"), HasSubstr("at least 1 element")));
  EXPECT_THAT(gemm(R"("m": [[1]], "n": 1, "k": 1)"), HasSubstr("/cases/0/m/0: is an array"));
  EXPECT_THAT(gemm(R"("m": {}, "n": 1, "k": 1)"), HasSubstr("/cases/0/m: is an object"));
  EXPECT_THAT(gemm(R"("m": true, "n": 1, "k": 1)"), HasSubstr("/cases/0/m: is true"));
  EXPECT_THAT(gemm(R"("layout": "tt", "m": 1, "n": 1, "k": 1)"),
              HasSubstr("/cases/0/layout: is \"tt\", expected one of tn, nn, nt"));
  EXPECT_THAT(gemm(R"("layout": 3, "m": 1, "n": 1, "k": 1)"), HasSubstr("/cases/0/layout: is 3, expected one of tn"));
  EXPECT_THAT(refused(R"({"workload": "gemm", "dtype": "fp8", "m": 1, "n": 1, "k": 1})"),
              HasSubstr("/cases/0/dtype: is \"fp8\", expected one of f32, tf32, bf16, f16"));
  EXPECT_THAT(gemm(R"("m": 1, "n": 1, "k": 1, "seed": "1")"), HasSubstr("/cases/0/seed"));
  EXPECT_THAT(gemm(R"("m": 1, "n": 1, "k": 1, "mode": "bursts")"), HasSubstr("did you mean 'burst'?"));
}

TEST(Malformed, ImpossibleShape) {
  EXPECT_THAT(
      refused(
          R"({"workload": "attention", "dtype": "f32", "batch": 1, "heads": 6, "kv_heads": 4, "seq_q": 1, "seq_kv": 1, "head_dim": 64})"),
      AllOf(StartsWith("t.json: /cases/0: attention/cpu_flash/cpu/f32/"),
            HasSubstr("is impossible: heads=6 is no multiple of kv_heads=4")));
  EXPECT_THAT(gemm(R"("m": "1Ti", "n": "1Ti", "k": 1)"), HasSubstr("is impossible: more work than 64 bits count"));
}

TEST(Malformed, Shapes) {
  EXPECT_THAT(gemm(R"("shapes": [])"), HasSubstr("/cases/0/shapes: is an empty array"));
  EXPECT_THAT(gemm(R"("shapes": [{}])"), HasSubstr("/cases/0/shapes/0"));
  EXPECT_THAT(gemm(R"("shapes": [{"m": 1, "n": 1, "l": 1}])"),
              AllOf(HasSubstr("/cases/0/shapes/0: gemm has no axis \"l\""), HasSubstr("layout, m, n, k")));
  EXPECT_THAT(gemm(R"("shapes": [{"m": 1, "n": 1, "k": 0}])"), HasSubstr("/cases/0/shapes/0/k: is 0"));
  EXPECT_THAT(gemm(R"("shapes": [{"m": [1], "n": 1, "k": 1}])"), HasSubstr("/cases/0/shapes/0/m"));
  EXPECT_THAT(gemm(R"("k": 1, "shapes": [{"m": 1, "n": 1}, {"m": 1}])"),
              HasSubstr("/cases/0/shapes/1: names the axes m, expected those of the first shape: m, n"));
  EXPECT_THAT(gemm(R"("m": 1, "shapes": [{"m": 1, "n": 1, "k": 1}])"),
              HasSubstr("/cases/0/m: is given here and in \"shapes\""));
}

TEST(Malformed, Models) {
  EXPECT_THAT(gemm(R"("model": "llama4", "tokens": 1)"),
              AllOf(HasSubstr("t.json: /cases/0/model: no model is called 'llama4'"), HasSubstr("llama3-8b")));
  EXPECT_THAT(gemm(R"("model": "llama3-8b")"), HasSubstr("/cases/0: lacks the key \"tokens\""));
  EXPECT_THAT(gemm(R"("model": "llama3-8b", "tokens": 4, "m": 1)"),
              HasSubstr("/cases/0/m: comes from \"model\" (with layout, m, n, k)"));
  EXPECT_THAT(gemm(R"("model": "llama3-8b", "tokens": 4, "shapes": [{"k": 1}])"),
              HasSubstr("/cases/0/k: comes from \"model\""));
  EXPECT_THAT(gemm(R"("model": "llama3-8b", "tokens": 0)"), HasSubstr("/cases/0/tokens: is 0"));
  EXPECT_THAT(gemm(R"("model": "llama3-8b", "tokens": 4, "pass": "backward")"),
              HasSubstr("one of forward, dgrad, wgrad"));
  EXPECT_THAT(gemm(R"("model": "llama3-8b", "tokens": 4, "layer": ["qkv", "fc*"])"),
              AllOf(HasSubstr("/cases/0/layer: no layer of the models matches \"fc*\""),
                    HasSubstr("attn_out, down, gate_up, head, qkv")));
  EXPECT_THAT(gemm(R"("model": "llama3-8b", "tokens": 4, "tensor_parallel": 3)"),
              HasSubstr("t.json: /cases/0: llama3-8b: tensor_parallel 3 does not divide"));
  EXPECT_THAT(gemm(R"("tokens": 4, "m": 1, "n": 1, "k": 1)"),
              HasSubstr("/cases/0/tokens: means something only together with \"model\""));
  EXPECT_THAT(refused(R"({"workload": "attention", "dtype": "f32", "model": "deepseek-v3", "batch": 1, "seq_q": 1,
                         "seq_kv": 1, "tensor_parallel": 3})"),
              HasSubstr("tensor_parallel 3 does not divide its 128 heads"));
}

TEST(Malformed, Duplicates) {
  EXPECT_THAT(gemm(R"("m": [2, 2], "n": 1, "k": 1)"),
              AllOf(HasSubstr("/cases/0: repeats the case gemm/cpu_blocked/cpu/f32/layout=tn/m=2"),
                    HasSubstr("of the same entry")));
  EXPECT_THAT(refused(R"({"workload": "gemm", "dtype": "f32", "m": 1, "n": 1, "k": 1},
                         {"workload": "gemm", "dtype": "f32", "kernel": "yardstick", "m": 1, "n": 1, "k": 1})"),
              AllOf(HasSubstr("/cases/1: repeats the case gemm/yardstick"), HasSubstr("of t.json: /cases/0")));
  EXPECT_THAT(refused(R"({"workload": "gemm", "dtype": ["f32", "f32"], "m": 1, "n": 1, "k": 1})"),
              HasSubstr("repeats the case"));
}

TEST(Malformed, ProductsAreCountedBeforeTheyAreBuilt) {
  const std::string huge = "[" + numbers_up_to(3000) + "]";
  EXPECT_THAT(gemm(R"("m": )" + huge + R"(, "n": )" + huge + R"(, "k": )" + huge),
              AllOf(HasSubstr("3000 (m) x 3000 (n) x 3000 (k)"), HasSubstr("expected at most 100000")));
  // 3000^6 > 2^63
  EXPECT_THAT(refused(R"({"workload": "attention", "dtype": "f32", "batch": )" + huge + R"(, "heads": )" + huge +
                      R"(, "kv_heads": )" + huge + R"(, "seq_q": )" + huge + R"(, "seq_kv": )" + huge +
                      R"(, "head_dim": )" + huge + "}"),
              HasSubstr("more than 2^63"));
  EXPECT_THAT(gemm(R"("model": "llama3-8b", "tokens": )" + huge + R"(, "tensor_parallel": )" + huge),
              HasSubstr("9000000 combinations"));
}

TEST(Malformed, LoadSuiteNamesWhatThereIs) {
  const auto load = [](const std::string& name) -> std::string {
    try {
      load_suite(name, fake_catalog(), {});
    } catch (const InputError& error) {
      return error.what();
    }
    return "accepted";
  };
  EXPECT_THAT(load("quik"),
              AllOf(HasSubstr("no suite is called 'quik'"), HasSubstr("all_reduce, attention, collectives, gemm"),
                    HasSubstr("did you mean 'quick'?")));
  EXPECT_THAT(load("absent.json"), AllOf(HasSubstr("absent.json"), HasSubstr("No such file")));
  EXPECT_THAT(load("./quick"), HasSubstr("./quick: "));
}

}  // namespace
}  // namespace assay
