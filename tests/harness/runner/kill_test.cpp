// SIGKILL at random moments, and --resume: every case once, none measured twice.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <map>
#include <random>
#include <set>

#include "harness/record/journal.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

class KillTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("kill_test_" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  pid_t start(const std::vector<std::string>& kernels) const {
    std::vector<std::string> words = {ASSAY_KILL_TARGET, out(), log()};
    words.insert(words.end(), kernels.begin(), kernels.end());
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
      ::execv(arguments[0], arguments.data());
      ::_exit(127);
    }
    return child;
  }
  /// 0: complete; -SIGNAL where it was killed.
  static int end_of(pid_t child) {
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
  }
  /// How many cases the journal holds as finished, whether or not its process still writes.
  int finished() const {
    int count = 0;
    std::ifstream file(journal_path(out()));
    for (std::string line; std::getline(file, line) && !file.eof();) count += line.rfind("{\"record\"", 0) == 0;
    return count;
  }
  /// Until one more case is finished than `before`, or the process has ended.
  void await_a_case(pid_t child, int before) const {
    const auto ended = [child] {
      siginfo_t info{};
      return ::waitid(P_PID, id_t(child), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == child;
    };
    while (finished() <= before && !ended()) ::usleep(500);
  }
  std::string out() const { return folder_ / "r.json"; }
  std::string log() const { return folder_ / "log"; }
  std::map<std::string, int> attempts() const {
    std::map<std::string, int> counts;
    std::ifstream file(log());
    for (std::string id; std::getline(file, id);) ++counts[id];
    return counts;
  }
  void expect_whole(std::size_t cases) const {
    const Result result = load_result(out());  // validates
    EXPECT_TRUE(result.complete);
    EXPECT_FALSE(fs::exists(journal_path(out())));
    std::set<std::string> ids;
    const auto prepared = attempts();
    for (const auto& record : result.records) {
      const std::string id = record.point.id();
      EXPECT_TRUE(ids.insert(id).second) << id << " is there twice";
      const int times = prepared.contains(id) ? prepared.at(id) : 0;
      if (record.outcome.ok()) {
        EXPECT_LE(record.interrupted_attempts, 1) << id;
        // A kill between the journal's line and the preparation leaves no line in the log.
        EXPECT_GE(times, 1) << id;
        EXPECT_LE(times, 1 + record.interrupted_attempts) << id << " was measured twice";
      } else {
        EXPECT_EQ(record.outcome.kind, OutcomeKind::failed);
        EXPECT_EQ(record.outcome.reason.rfind("interrupted twice", 0), 0u) << record.outcome.reason;
        EXPECT_GE(record.interrupted_attempts, 2);
        EXPECT_LE(times, record.interrupted_attempts) << id;
      }
    }
    EXPECT_EQ(ids.size(), cases);
  }

  fs::path folder_;
};

TEST_F(KillTest, LosesNothingFinishedAndMeasuresNothingTwice) {
  const std::vector<std::string> kernels(40, "slow");
  constexpr int kKills = 40;
  const auto seed = std::random_device{}();
  RecordProperty("seed", std::to_string(seed));
  std::mt19937 random(seed);
  std::uniform_int_distribution<useconds_t> from_start(1'000, 150'000), from_a_case(0, 50'000);
  int kills = 0, resumed_in_the_middle = 0;
  for (bool among_cases = false; kills < kKills; among_cases = !among_cases) {
    const int before = finished();
    const pid_t child = start(kernels);
    if (among_cases) await_a_case(child, before);  // a busy machine has not begun one when the other kills come
    ::usleep(among_cases ? from_a_case(random) : from_start(random));
    ::kill(child, SIGKILL);
    const int end = end_of(child);
    ASSERT_TRUE(end == 0 || end == -SIGKILL) << end;
    kills += end == -SIGKILL;
    if (fs::exists(journal_path(out())))
      resumed_in_the_middle += !read_journal(journal_path(out())).so_far.records.empty();
    if (end == 0) {  // finished before the kill: the next round starts anew
      expect_whole(kernels.size());
      fs::remove(out());
      fs::remove(log());
    }
  }
  ASSERT_EQ(end_of(start(kernels)), 0);
  expect_whole(kernels.size());
  EXPECT_GT(resumed_in_the_middle, 5) << "seed " << seed << ": the kills missed the cases";
}

TEST_F(KillTest, MeasuresAnInterruptedCaseAgainAndSaysSo) {
  EXPECT_EQ(end_of(start({"right", "dies_once", "right"})), -SIGKILL);
  EXPECT_EQ(end_of(start({"right", "dies_once", "right"})), 0);
  const Result result = load_result(out());
  ASSERT_EQ(result.records.size(), 3u);
  EXPECT_TRUE(result.records[1].outcome.ok());
  EXPECT_EQ(result.records[1].interrupted_attempts, 1);
  EXPECT_EQ(result.records[2].interrupted_attempts, 0);
  EXPECT_EQ(attempts()[result.records[0].point.id()], 1);
}

TEST_F(KillTest, GivesUpACaseThatKillsTheProcessTwice) {
  EXPECT_EQ(end_of(start({"right", "dies", "right"})), -SIGKILL);
  EXPECT_EQ(end_of(start({"right", "dies", "right"})), -SIGKILL);
  EXPECT_EQ(end_of(start({"right", "dies", "right"})), 0);
  expect_whole(3);
  const Result result = load_result(out());
  EXPECT_EQ(result.records[1].outcome.kind, OutcomeKind::failed);
  EXPECT_EQ(result.records[1].interrupted_attempts, 2);
  EXPECT_TRUE(result.records[2].outcome.ok());
}

TEST_F(KillTest, ACaseThatKillsTheProcessDoesNotTakeThoseInTurnsWithItAlong) {
  const std::vector<std::string> kernels = {"right+dies+lib_right", "slow"};
  for (int together_and_twice_alone = 0; together_and_twice_alone < 3; ++together_and_twice_alone)
    EXPECT_EQ(end_of(start(kernels)), -SIGKILL);
  EXPECT_EQ(end_of(start(kernels)), 0);
  expect_whole(4);
  const Result result = load_result(out());
  EXPECT_TRUE(result.records[0].outcome.ok());
  EXPECT_EQ(result.records[1].outcome.kind, OutcomeKind::failed);
  EXPECT_TRUE(result.records[2].outcome.ok());
  for (const auto& record : result.records) EXPECT_EQ(record.measurement.in_turns, 1) << record.point.id();
}

TEST_F(KillTest, ALaunchOnAGpuThatNeverEndsIsRecordedSoAndTheRestIsMeasuredByAnotherProcess) {
  const std::vector<std::string> kernels = {"right+hangs+lib_right", "slow"};
  EXPECT_EQ(end_of(start(kernels)), 4);
  const Result saved = load_result(out());
  EXPECT_FALSE(saved.complete);
  ASSERT_EQ(saved.records.size(), 1u);
  EXPECT_EQ(saved.records[0].outcome.kind, OutcomeKind::timed_out);
  const std::string why = saved.provenance["run"]["ended_early"];
  EXPECT_THAT(why, testing::HasSubstr("a launch on gpu0 has not ended for "));
  EXPECT_EQ(saved.records[0].outcome.reason, why);
  EXPECT_EQ(end_of(start(kernels)), 0);
  const Result result = load_result(out());
  EXPECT_TRUE(result.complete);
  ASSERT_EQ(result.records.size(), 4u);
  for (const std::size_t other : {0, 2, 3}) EXPECT_TRUE(result.records[other].outcome.ok());
  EXPECT_EQ(result.records[1].outcome.kind, OutcomeKind::timed_out);
}

}  // namespace
}  // namespace assay
