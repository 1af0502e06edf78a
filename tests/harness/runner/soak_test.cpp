// Long runs on planted faults: bits that change, devices that differ, kernels that stop writing.
#include "harness/runner/soak.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "harness/communicators/guarded.h"
#include "harness/core/error.h"
#include "harness/record/journal.h"
#include "harness/runner/progress.h"
#include "harness/verdict/verdict.h"
#include "harness/verify/random.h"
#include "harness/workloads/rotated_buffer.h"

namespace assay {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

/// What goes wrong, and in which of the launches since preparation.
struct Fault {
  std::int64_t launch = -1;  // -1: never
  std::size_t element = 0;
  int bit = 0;
  bool writes_nothing = false;        // instead
  bool always = false;                // from that launch on
  std::atomic<bool>* then = nullptr;  // is set some launches later
};

/// A real kernel's workload whose output is damaged after a launch, as a failing multiplier or memory cell would.
class DamagedWorkload final : public Workload {
 public:
  DamagedWorkload(std::unique_ptr<Workload> inner, const Fault& fault) : inner_(std::move(inner)), fault_(fault) {}
  Work work() const override { return inner_->work(); }
  int sets() const override { return inner_->sets(); }
  std::vector<OutputTensor> outputs() const override { return inner_->outputs(); }
  Check check(const std::vector<std::int64_t>& launches) override { return inner_->check(launches); }
  void launch(int set) override {
    const bool now = fault_.always ? launches_ >= fault_.launch && fault_.launch >= 0 : launches_ == fault_.launch;
    if (fault_.then && launches_ == fault_.launch + 3) *fault_.then = true;
    ++launches_;
    if (now && fault_.writes_nothing) return;
    inner_->launch(set);
    if (!now) return;
    auto* d = static_cast<std::uint32_t*>(inner_->outputs().front().buffer->data(set));
    d[fault_.element] ^= std::uint32_t(1) << fault_.bit;
  }

 private:
  std::unique_ptr<Workload> inner_;
  const Fault fault_;
  std::int64_t launches_ = 0;
};

constexpr std::int64_t kM = 24, kN = 40;
constexpr std::int64_t kLaunchesBefore = 2;  // the first output's, and one that is timed

class SoakTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("soak_test_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
    catalog_ = {*find_workload(catalog(), "gemm")};
    const auto make = catalog_[0].make;
    catalog_[0].make = [this, make](const Case& point, WorkloadContext& context) {
      auto inner = make(point, context);
      return std::make_unique<DamagedWorkload>(std::move(inner), fault_);
    };
    suite_.name = "soak";
    suite_.soak = SoakRule{0.01, {}, 1};  // the output of every launch
    Case point;
    point.workload = "gemm";
    point.kernel = "cpu_blocked";
    point.dtype = DType::f32;
    point.axes = {{"layout", std::string("tn")}, {"m", kM}, {"n", kN}, {"k", std::int64_t(16)}};
    point.cache = Cache::hot;
    suite_.cases = {point};
  }
  void TearDown() override { fs::remove_all(folder_); }

  Result go(Machine& machine) {
    const auto communicator = guard(make_single_communicator(), "", deadline_);
    Progress progress(stderr, true);
    options_.out = folder_ / (std::to_string(runs_++) + ".json");
    return soak(suite_, catalog_, plan(suite_, catalog_, machine, *communicator), machine, *communicator, options_,
                progress, interrupted_);
  }
  Result go() {
    Machine machine(1);
    return go(machine);
  }

  fs::path folder_;
  RunOptions options_;
  Suite suite_;
  Catalog catalog_;
  Fault fault_;
  std::atomic<bool> interrupted_{false};
  double deadline_ = kDefaultDeadline;
  int runs_ = 0;
};

TEST_F(SoakTest, ComparesEveryOutputAndKeepsWhatItSaw) {
  Result result = go();
  // A busy machine may not get two repetitions done in a hundredth of a second.
  for (int i = 0; i < 10 && result.records.at(0).soak.value().digested <= 2; ++i) {
    suite_.soak->seconds *= 2;
    result = go();
  }
  ASSERT_EQ(result.records.size(), 1u);
  const Record& record = result.records[0];
  ASSERT_TRUE(record.outcome.ok()) << record.outcome.reason;
  ASSERT_TRUE(record.soak);
  EXPECT_TRUE(result.complete);
  EXPECT_GE(record.soak->digested, kLaunchesBefore) << "at least, however busy the machine";
  EXPECT_EQ(record.soak->digested, record.soak->launches);
  EXPECT_EQ(record.soak->corrupted, 0);
  EXPECT_GE(record.soak->lasted_seconds, suite_.soak->seconds);
  EXPECT_EQ(record.soak->digest.size(), 16u);
  EXPECT_EQ(record.soak->digest_of, "gemm/cpu_blocked/f32/layout=tn/m=24/n=40/k=16/hot/burst/normal/seed=1");
  EXPECT_THAT(record.soak->computed_by, HasSubstr("1 threads"));
  EXPECT_EQ(record.measurement.seconds.size(), record.soak->intervals.size());
  EXPECT_EQ(to_text(load_result(options_.out)), to_text(result));
  EXPECT_FALSE(fs::exists(journal_path(options_.out)));
  EXPECT_EQ(go().records[0].soak->digest, record.soak->digest) << "the same on every run";
}

TEST_F(SoakTest, FindsAndLocatesEveryFlippedBit) {
  constexpr int kTrials = 100;
  Machine machine(1);
  suite_.soak->seconds = 3600;
  const RandomStream random(20261129, 0);
  for (int trial = 0; trial < kTrials; ++trial) {
    const auto draw = [&](std::uint64_t bound, int which) {
      return random.below(bound, std::uint64_t(4 * trial + which));
    };
    const auto repetition = std::int64_t(draw(50, 0)) + 1;
    fault_ = {kLaunchesBefore + repetition - 1, std::size_t(draw(kM * kN, 1)), int(draw(32, 2))};
    fault_.then = &interrupted_;
    interrupted_ = false;
    const Record record = go(machine).records[0];
    ASSERT_EQ(record.outcome.kind, OutcomeKind::wrong) << "trial " << trial;
    ASSERT_TRUE(record.soak && record.soak->first_corruption);
    const Corruption& found = *record.soak->first_corruption;
    EXPECT_EQ(record.soak->corrupted, 1);
    EXPECT_EQ(found.element, std::int64_t(fault_.element));
    EXPECT_EQ(found.expected ^ found.got, std::uint64_t(1) << fault_.bit);
    EXPECT_EQ(found.repetition, repetition);
    EXPECT_EQ(found.differing, 1);
    EXPECT_EQ(found.place,
              "d[" + std::to_string(fault_.element / kN) + ", " + std::to_string(fault_.element % kN) + "]");
    EXPECT_THAT(record.outcome.reason, HasSubstr("bit " + std::to_string(fault_.bit) + " flipped"));
    EXPECT_THAT(record.outcome.reason, HasSubstr(found.place));
  }
}

/// And the verdict on the node follows: wrong numbers, drain it.
TEST_F(SoakTest, FindsOneFlippedBitInTenThousandRepetitions) {
  constexpr std::int64_t kRepetition = 9'997;  // three more follow
  suite_.soak->seconds = 3600;
  fault_ = {kLaunchesBefore + kRepetition - 1, 17 * kN + 11, 23};
  fault_.then = &interrupted_;
  const Result result = go();
  const Record& record = result.records[0];
  ASSERT_TRUE(record.soak && record.soak->first_corruption);
  EXPECT_GE(record.soak->digested, 10'000);
  EXPECT_EQ(record.soak->corrupted, 1);
  EXPECT_EQ(record.soak->first_corruption->repetition, kRepetition);
  EXPECT_EQ(record.soak->first_corruption->place, "d[17, 11]");
  const Verdict verdict{judge(result, "r.json", nullptr, {})};
  EXPECT_EQ(verdict.code(), ExitCode::wrong_numbers);
  const auto wrong =
      std::find_if(verdict.judgements.begin(), verdict.judgements.end(), [](const Judgement& j) { return j.wrong; });
  ASSERT_NE(wrong, verdict.judgements.end());
  EXPECT_THAT(wrong->text, HasSubstr("d[17, 11] on cpu"));
  EXPECT_EQ(wrong->cause->action, Action::drain);
}

TEST_F(SoakTest, SeesALaunchThatWritesNothing) {
  fault_ = {kLaunchesBefore + 2, 0, 0, true};  // what the launch before it wrote is right
  fault_.then = &interrupted_;                 // however few repetitions a busy machine gets done in a time
  suite_.soak->seconds = 3600;
  const Record record = go().records[0];
  EXPECT_EQ(record.outcome.kind, OutcomeKind::wrong);
  ASSERT_TRUE(record.soak->first_corruption);
  EXPECT_EQ(record.soak->first_corruption->got, 0xffffffffu) << "the poison";
  EXPECT_EQ(record.soak->first_corruption->differing, kM * kN);
}

TEST_F(SoakTest, DoesNotTakeAWrongFirstOutputForGolden) {
  fault_ = {0, 3, 30, false, true};  // the same wrong bits every time: no two outputs differ
  const Record record = go().records[0];
  EXPECT_EQ(record.outcome.kind, OutcomeKind::wrong);
  EXPECT_THAT(record.outcome.reason, HasSubstr("d[0, 3]"));
  EXPECT_EQ(record.soak->digest, "");
}

TEST_F(SoakTest, CountsHowOftenItHappens) {
  fault_ = {kLaunchesBefore, 5, 7, false, true, &interrupted_};
  suite_.soak->seconds = 3600;
  const Record record = go().records[0];
  EXPECT_EQ(record.soak->corrupted, record.soak->digested - 1) << "all but the first output";
}

TEST_F(SoakTest, EndsOnASignalWithAValidResult) {
  interrupted_ = true;
  suite_.soak->seconds = 1e-9;  // over before the first case could have been begun: its time alone completes no soak
  const Result before = go();
  EXPECT_FALSE(before.complete);
  EXPECT_EQ(before.records[0].outcome.kind, OutcomeKind::failed);

  interrupted_ = false;
  suite_.soak->seconds = 3600;  // nothing but the signal ends it
  const auto make = catalog_[0].make;
  catalog_[0].make = [this, make](const Case& point, WorkloadContext& context) {
    interrupted_ = true;
    return make(point, context);
  };
  const Result result = go();
  EXPECT_FALSE(result.complete);
  EXPECT_TRUE(result.records[0].outcome.ok()) << result.records[0].outcome.reason;
  EXPECT_EQ(result.records[0].measurement.stop, StopReason::interrupted);
  EXPECT_FALSE(load_result(options_.out).complete);
}

// The watchdog ends a process in which nothing ends for ten deadlines: a soak must tell it that it goes on.
TEST_F(SoakTest, MayLastForLongerThanAnythingMayHang) {
  deadline_ = 0.3;
  suite_.soak->seconds = 4;
  EXPECT_TRUE(go().complete);
}

TEST_F(SoakTest, SkipsWhatNeedNotHaveTheSameBits) {
  suite_.cases[0].axes[0].value = std::string("nt");  // adds into d
  const Record record = go().records[0];
  EXPECT_EQ(record.outcome.kind, OutcomeKind::skipped);
  EXPECT_THAT(record.outcome.reason, HasSubstr("the same bits every time"));
}

TEST_F(SoakTest, CannotBeResumed) {
  options_.resume = true;
  EXPECT_THROW(go(), InputError);
}

}  // namespace
}  // namespace assay
