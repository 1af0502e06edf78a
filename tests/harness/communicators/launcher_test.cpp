#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "harness/communicators/communicator.h"
#include "harness/core/error.h"

namespace assay {
namespace {

LauncherMark found(const std::map<std::string, std::string>& environment) {
  return find_launcher([&](const char* variable) -> const char* {
    const auto entry = environment.find(variable);
    return entry == environment.end() ? nullptr : entry->second.c_str();
  });
}

TEST(Launcher, IsKnownByItsMarks) {
  EXPECT_EQ(found({}).variable, "");
  EXPECT_EQ(found({}).processes, 1);
  EXPECT_EQ(found({{"OMPI_COMM_WORLD_SIZE", "4"}}).processes, 4);
  EXPECT_EQ(found({{"PMI_SIZE", "1"}}).processes, 1);
  EXPECT_EQ(found({{"SLURM_STEP_NUM_TASKS", "8"}}).processes, 8);
  EXPECT_EQ(found({{"SLURM_NTASKS", "8"}}).processes, 1) << "a batch script, alone";
}

TEST(Launcher, TheInnermostCounts) {
  const LauncherMark mark = found({{"SLURM_STEP_NUM_TASKS", "1"}, {"OMPI_COMM_WORLD_SIZE", "2"}});
  EXPECT_EQ(mark.variable, "OMPI_COMM_WORLD_SIZE");
  EXPECT_EQ(mark.processes, 2);
}

TEST(Launcher, SaysWhichRankOfWhichJob) {
  const LauncherMark open_mpi =
      found({{"OMPI_COMM_WORLD_SIZE", "4"}, {"OMPI_COMM_WORLD_RANK", "3"}, {"PMIX_NAMESPACE", "77"}});
  EXPECT_EQ(open_mpi.source, "Open MPI");
  EXPECT_EQ(open_mpi.rank, 3);
  EXPECT_EQ(open_mpi.job, "PMIX_NAMESPACE=77");
  EXPECT_EQ(found({{"PMI_SIZE", "2"}}).source, "PMI");
  EXPECT_EQ(found({{"PMI_SIZE", "2"}}).rank, -1);
}

TEST(Launcher, InAStepPmixTakesTheNumberFromSlurm) {
  const LauncherMark mark =
      found({{"PMIX_RANK", "1"}, {"PMIX_NAMESPACE", "slurm.pmix.2.0"}, {"SLURM_STEP_NUM_TASKS", "2"}});
  EXPECT_EQ(mark.source, "PMIx");
  EXPECT_EQ(mark.processes, 2);
  EXPECT_EQ(mark.rank, 1);
}

TEST(Launcher, TorchrunIsKnownByBothOfItsMarks) {
  EXPECT_EQ(found({{"WORLD_SIZE", "8"}}).source, "");
  const LauncherMark mark = found({{"WORLD_SIZE", "8"}, {"RANK", "2"}});
  EXPECT_EQ(mark.source, "torchrun");
  EXPECT_EQ(mark.processes, 8);
}

TEST(Launcher, WhatDoesNotSayHowManyIsAskedOfMpi) {
  EXPECT_EQ(found({{"PMIX_RANK", "0"}}).processes, 0);
  EXPECT_EQ(found({{"OMPI_COMM_WORLD_SIZE", "many"}}).processes, 0);
  EXPECT_EQ(found({{"OMPI_COMM_WORLD_SIZE", "-1"}}).processes, 0);
  EXPECT_EQ(found({{"OMPI_COMM_WORLD_SIZE", ""}}).processes, 0);
}

TEST(SingleCommunicator, IsTheIdentity) {
  const auto alone = make_single_communicator();
  EXPECT_EQ(alone->rank(), 0);
  EXPECT_EQ(alone->size(), 1);
  EXPECT_TRUE(alone->is_root());
  EXPECT_TRUE(alone->one_host());
  alone->barrier();
  EXPECT_EQ(alone->maximum(-3), -3);
  EXPECT_EQ(alone->broadcast(2.5), 2.5);
  EXPECT_EQ(alone->broadcast("text"), "text");
  EXPECT_THAT(alone->gather("text"), ::testing::ElementsAre("text"));
  EXPECT_FALSE(alone->group_name().empty());
}

TEST(RunTogether, PassesErrorsOnWhereThereIsOneRank) {
  const auto alone = make_single_communicator();
  EXPECT_EQ(run_together(*alone, [] { return 3; }), 3);
  EXPECT_THROW(run_together(*alone, []() -> int { throw InputError("no such suite"); }), InputError);
}

// Two ranks as far as run_together() sees; its abort() ends the process as MPI's does.
class TwoRanks final : public Communicator {
 public:
  int rank() const override { return 1; }
  int size() const override { return 2; }
  void barrier() override {}
  double maximum(double value) override { return value; }
  double broadcast(double value) override { return value; }
  std::string broadcast(const std::string& text) override { return text; }
  std::vector<std::string> gather(const std::string& text) override { return {text, text}; }
  std::string group_name() const override { return "two"; }
};

TEST(RunTogetherDeathTest, EndsAllRanksWithTheErrorsCode) {
  TwoRanks two;
  EXPECT_EQ(run_together(two, [] { return 0; }), 0);
  EXPECT_EXIT(run_together(two, []() -> int { throw InputError("no such suite"); }), ::testing::ExitedWithCode(2),
              "assay: rank 1: no such suite");
  EXPECT_EXIT(run_together(two, []() -> int { throw std::bad_alloc(); }), ::testing::ExitedWithCode(4), "rank 1");
}

}  // namespace
}  // namespace assay
