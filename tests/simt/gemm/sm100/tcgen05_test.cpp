// tcgen05_sm100 on the functional GPU: every instance, layout and scaling, on whole and ragged shapes.
#include <gtest/gtest.h>

#include <set>

#include "tests/simt/gemm/sm100/tcgen05_on_simt.h"

namespace assay {
namespace {

using simt::Async;

const simt::ptx::Module& module_of(const GemmProblem& p) {
  static const simt::ptx::Module dense(simt::ptx::ptx_text(ASSAY_PTX_DIR, "tcgen05_sm100"));
  static const simt::ptx::Module scaled(simt::ptx::ptx_text(ASSAY_PTX_DIR, "tcgen05_scaled_sm100"));
  return has_block_scales(p.scaling) ? scaled : dense;
}

Tcgen05Outcome check(const Tcgen05Run& run, Async async, bool shuffle = false, std::uint64_t seed = 1) {
  simt::Options options;
  options.async = async;
  options.shuffle_schedule = shuffle;
  options.seed = seed;
  try {
    const Tcgen05Outcome outcome = run_tcgen05(module_of(run.problem), run, options);
    EXPECT_EQ(outcome.wrong, "") << describe(run);
    EXPECT_EQ(outcome.stats.bank_conflicts, 0u) << describe(run);
    return outcome;
  } catch (const simt::Error& fault) {
    ADD_FAILURE() << describe(run) << ": " << fault.what();
    return {};
  }
}

/// Under all three policies.
void check_all(const std::string& text) {
  const Tcgen05Run run = parse_tcgen05_run(text);
  check(run, Async::Lazy);
  check(run, Async::Eager);
  check(run, Async::Random, true, 7);
}

class Tcgen05OnSimt : public testing::TestWithParam<const char*> {};

TEST_P(Tcgen05OnSimt, IsRightUnderEveryPolicy) { check_all(GetParam()); }

// Tiles of 256 x 256, 256 x 128 (pairs) and 128 x 128; stages of 64, 128 or 256 elements along k, 4 to 8 in the ring.
// On four multiprocessors each pair has several tiles, so that accumulators and barriers are used again.
constexpr const char* kDense[] = {
    "bf16 none tn 256x256x64 256x256",    // one tile, one stage
    "bf16 none tn 8x8x8 256x256",         // one corner
    "bf16 none tn 520x776x200 256x256",   // 3 x 4 ragged tiles, six per pair; a ragged stage
    "bf16 none tn 264x136x1160 256x256",  // 19 stages: three laps of the ring
    "bf16 none tn 520x392x136 256x128",   // 3 x 4 tiles
    "bf16 none tn 264x136x904 256x128",
    "bf16 none tn 392x392x136 128x128",  // 4 x 4 tiles on four CTAs
    "bf16 none tn 136x136x904 128x128",
    "bf16 none nn 264x392x200 256x256",  // mn-major b
    "bf16 none nn 264x200x200 256x128",    "bf16 none nn 136x200x200 128x128",
    "bf16 none nt 392x264x200 256x256",  // mn-major a and b, added into fp32
    "bf16 none nt 264x200x200 256x128",    "bf16 none nt 136x200x200 128x128",
    "bf16 none tn+ 264x136x200 256x256",    // added into fp32, k-major
    "bf16 none nt 136x136x1096 128x128/2",  // k split in two
    "bf16 none nt 264x264x1544 256x256/3", "f16 none tn 264x264x200 256x256",
    "f16 none nn 264x136x136 256x128",     "f16 none tn 136x136x136 128x128",
};
INSTANTIATE_TEST_SUITE_P(Dense, Tcgen05OnSimt, testing::ValuesIn(kDense));

constexpr const char* kFp8[] = {
    "e4m3 tensor tn 264x392x400 256x256",  "e4m3 tensor tn 264x136x272 256x128", "e4m3 tensor tn 136x136x272 128x128",
    "e4m3 none tn 256x256x128 256x256",
    "e4m3 tensor nn 264x272x144 256x256",  // 8-bit mn-major panels: 128 elements wide
    "e4m3 tensor nn 136x144x144 128x128",  "e4m3 tensor nt 272x272x200 256x256", "e4m3 tensor nt 144x144x136 128x128",
    "e5m2 tensor tn 264x264x144 256x256",  // e5m2 by e4m3
    "e5m2 tensor tn+ 264x136x272 256x128",
};
INSTANTIATE_TEST_SUITE_P(Fp8, Tcgen05OnSimt, testing::ValuesIn(kFp8));

constexpr const char* kBlockScaled[] = {
    "e4m3 mx tn 256x256x128 256x256",
    "e4m3 mx tn 520x776x272 256x256",   // accumulators overlap; six tiles per pair
    "e4m3 mx tn 264x136x1424 256x256",  // twelve stages: slots of scale factors are used again
    "e4m3 mx tn 520x264x272 256x128",  "e4m3 mx tn 264x264x272 128x128",  "e5m2 mx tn 264x136x144 256x256",
    "e4m3 mx tn+ 264x264x272 256x256", "e4m3 mx tn+ 264x136x144 256x128", "e4m3 mx tn+ 136x136x144 128x128",
    "e2m1 nv tn 256x256x256 256x256",
    "e2m1 nv tn 520x776x544 256x256",   // a ragged stage, whose last tile of factors is partly outside
    "e2m1 nv tn 264x136x1696 256x256",  // seven stages on two slots of scale factors
    "e2m1 nv tn 520x264x544 256x128",  "e2m1 nv tn 264x264x288 128x128",  "e2m1 nv tn+ 264x264x544 256x256",
    "e2m1 nv tn+ 264x136x288 256x128", "e2m1 nv tn+ 136x136x288 128x128",
};
INSTANTIATE_TEST_SUITE_P(BlockScaled, Tcgen05OnSimt, testing::ValuesIn(kBlockScaled));

TEST(Tcgen05Schedules, AreRightUnderRandomOnes) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed)
    check(parse_tcgen05_run("bf16 none tn 264x520x456 256x256"), Async::Random, true, seed);
}

TEST(Tcgen05Plans, EveryInstanceIsCompiledAndReached) {
  std::set<std::string> reached;
  Target target;
  target.multiprocessors = 4;
  const auto reach = [&](const char* text) {
    const GemmProblem p = parse_tcgen05_run(text).problem;
    reached.insert(find_tcgen05_instance(p, choose_tcgen05_sm100(p, target).tile).kernel);
  };
  for (const char* text : kDense) reach(text);
  for (const char* text : kFp8) reach(text);
  for (const char* text : kBlockScaled) reach(text);
  for (const Tcgen05Instance& i : kTcgen05Instances) {
    GemmProblem p;
    p.scaling = i.scale_tiles ? GemmScaling::mx : GemmScaling::none;
    EXPECT_NO_THROW(module_of(p).kernel(i.kernel)) << i.kernel;
    EXPECT_TRUE(reached.count(i.kernel)) << i.kernel;
  }
}

TEST(Tcgen05Plans, SaysWhyAProblemDoesNotFit) {
  Target target;
  target.device = Device::gpu;
  target.compute_capability = 90;
  target.multiprocessors = 148;
  target.shared_bytes_per_block = kTcgen05SharedLimit;
  const auto reason = [&](const char* text) {
    return supports_tcgen05_sm100(parse_tcgen05_run(text).problem, target).reason;
  };
  EXPECT_NE(reason("bf16 none tn 256x256x256").find("10.0"), std::string::npos);
  target.compute_capability = 103;
  EXPECT_EQ(reason("bf16 none tn 256x256x256"), "");
  EXPECT_NE(reason("bf16 none tn 256x256x260").find("16 bytes"), std::string::npos);  // rows of a
  EXPECT_NE(reason("bf16 none tn 256x260x256").find("16 bytes"), std::string::npos);  // rows of d
  EXPECT_NE(reason("e2m1 nv tn 256x256x272").find("16 bytes"), std::string::npos);    // 136 bytes
  EXPECT_EQ(reason("e2m1 nv tn 256x256x288"), "");
  EXPECT_NE(reason("e4m3 mx nn 256x256x256").find("tn alone"), std::string::npos);
  EXPECT_NE(reason("e4m3 block tn 256x256x256").find("'block'"), std::string::npos);
  EXPECT_NE(reason("e2m1 tensor tn 256x256x256").find("'tensor'"), std::string::npos);
  EXPECT_NE(reason("e4m3 tensor nn 256x256x256 256x128").find("no configuration"), std::string::npos);
  target.compute_capability = 120;
  EXPECT_NE(reason("bf16 none tn 256x256x256").find("10.0"), std::string::npos);
}

}  // namespace
}  // namespace assay
