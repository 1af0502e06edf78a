// Our collectives between processes, without MPI: forked children that meet under a name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "kernels/collectives/shm_ring.h"
#include "kernels/collectives/shm_window.h"
#include "tests/kernels/collectives/ranks.h"

namespace assay {
namespace {

using ::testing::HasSubstr;

std::string group_name() { return "test-" + std::to_string(getpid()); }

bool left_behind() { return std::filesystem::exists("/dev/shm/assay-" + group_name()); }

CollectiveProblem problem_of(int rank, int ranks, std::int64_t count, DType dtype, const std::string& name) {
  CollectiveProblem problem;
  problem.count = count;
  problem.dtype = dtype;
  problem.peers.ranks = ranks;
  problem.peers.first_local = rank;
  problem.peers.local = 1;
  problem.peers.shared_name = name;
  return problem;
}

// A child that runs `body(rank)` and exits 0 where it returns an empty text, else 1 with the text in a pipe.
struct Child {
  pid_t pid;
  int pipe;

  std::string join(int* status) const {
    std::string text;
    char piece[512];
    for (ssize_t n; (n = read(pipe, piece, sizeof piece)) > 0;) text.append(piece, std::size_t(n));
    close(pipe);
    waitpid(pid, status, 0);
    return text;
  }
};

template <class Body>
Child spawn(int rank, const Body& body) {
  int ends[2];
  if (pipe(ends) != 0) throw std::runtime_error("pipe");
  const pid_t pid = fork();
  if (pid != 0) {
    close(ends[1]);
    return {pid, ends[0]};
  }
  std::string text;
  try {
    text = body(rank);
  } catch (const std::exception& error) {
    text = error.what();
  }
  const bool written = write(ends[1], text.data(), text.size()) == ssize_t(text.size());
  _exit(text.empty() && written ? 0 : 1);
}

TEST(ShmRingProcesses, SumAndLeaveNothingBehind) {
  const std::string name = group_name();
  for (const int ranks : {2, 3, 4}) {
    std::vector<Child> children;
    for (int rank = 0; rank < ranks; ++rank)
      children.push_back(spawn(rank, [&](int r) -> std::string {
        // Several operations in a row under one name, as a suite makes them.
        for (const DType dtype : {DType::f32, DType::bf16})
          for (const std::int64_t count : {1, 1009, 300007})
            for (const bool in_place : {false, true}) {
              CollectiveProblem problem = problem_of(r, ranks, count, dtype, name);
              problem.in_place = in_place;
              Ranks data(problem);
              const auto operation = prepare_shm_ring(problem, Target{}, {.deadline_seconds = 30});
              for (int launch = 0; launch < 3; ++launch) {
                data.reset();
                operation->launch(data.buffers(), nullptr);
                if (const std::string wrong = data.wrong(); !wrong.empty()) return wrong;
              }
            }
        return {};
      }));
    for (const Child& child : children) {
      int status = 0;
      EXPECT_EQ(child.join(&status), "");
      EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    EXPECT_FALSE(left_behind());
  }
}

TEST(ShmProcesses, EveryOperationIsRightInOwnBuffersAndInAWindow) {
  const std::string name = group_name();
  std::vector<Child> children;
  constexpr int kRanks = 3;
  for (int rank = 0; rank < kRanks; ++rank)
    children.push_back(spawn(rank, [&](int r) -> std::string {
      for (const CollectiveInfo& kind : kCollectives)
        for (const bool in_window : {false, true})
          for (const std::int64_t count : {3, 3 * 4099, 3 * 70001}) {
            CollectiveProblem problem = problem_of(r, kRanks, count, DType::f32, name);
            problem.operation = kind.operation;
            std::unique_ptr<CollectiveWindow> window;
            if (in_window) {
              problem.buffers = BufferKind::window;
              window = make_shm_window(problem.peers, Ranks::window_bytes(problem), {.deadline_seconds = 30});
            }
            Ranks data(problem, window.get());
            const auto operation = in_window
                                       ? prepare_shm_window(problem, Target{}, window.get(), {.deadline_seconds = 30})
                                       : prepare_shm_ring(problem, Target{}, {.deadline_seconds = 30});
            const CollectiveBuffers buffers = data.buffers();
            for (int launch = 0; launch < 3; ++launch) {
              operation->launch(buffers, nullptr);
              if (const std::string wrong = data.wrong(); !wrong.empty())
                return std::string(kind.name) + (in_window ? " in a window: " : ": ") + wrong;
            }
          }
      return {};
    }));
  for (const Child& child : children) {
    int status = 0;
    EXPECT_EQ(child.join(&status), "");
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  EXPECT_FALSE(left_behind());
}

TEST(ShmRingProcesses, AKilledRankIsNamedByTheOthersAndNothingStays) {
  const std::string name = group_name();
  int launched[2];  // a byte, once the one to be killed has launched with the others
  ASSERT_EQ(pipe(launched), 0);
  std::vector<Child> children;
  for (int rank = 0; rank < 3; ++rank)
    children.push_back(spawn(rank, [&](int r) -> std::string {
      const CollectiveProblem problem = problem_of(r, 3, 200000, DType::f32, name);
      Ranks data(problem);
      const auto operation = prepare_shm_ring(problem, Target{}, {.deadline_seconds = 2});
      for (int launches = 1;; ++launches) {
        operation->launch(data.buffers(), nullptr);
        if (r == 1 && launches == 3 && write(launched[1], "", 1) != 1) return "pipe";
      }
    }));
  char byte;
  ASSERT_EQ(read(launched[0], &byte, 1), 1);
  close(launched[0]), close(launched[1]);
  kill(children[1].pid, SIGKILL);
  for (const int rank : {0, 2}) {
    int status = 0;
    EXPECT_THAT(children[std::size_t(rank)].join(&status), HasSubstr("rank 1 of 3 did not arrive"));
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 1);
  }
  int status = 0;
  children[1].join(&status);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_FALSE(left_behind());
}

TEST(ShmRingProcesses, ARankThatNeverStartsIsAnErrorOnTheOthers) {
  const std::string name = group_name();
  for (const int present : {0, 1}) {
    const Child child = spawn(present, [&](int r) -> std::string {
      prepare_shm_ring(problem_of(r, 2, 100, DType::f32, name), Target{}, {.deadline_seconds = 0.3});
      return {};
    });
    int status = 0;
    EXPECT_THAT(child.join(&status),
                HasSubstr(present == 0 ? "only 1 of 2 ranks have mapped" : "rank 0 did not create"));
    EXPECT_FALSE(left_behind());
  }
}

TEST(ShmRingProcesses, ANameAlreadyTakenIsAnError) {
  std::ofstream("/dev/shm/assay-" + group_name()) << "someone else's";
  const CollectiveProblem problem = problem_of(0, 2, 100, DType::f32, group_name());
  EXPECT_THROW(prepare_shm_ring(problem, Target{}, {.deadline_seconds = 0.3}), std::runtime_error);
  EXPECT_TRUE(left_behind());  // not ours to remove
  std::filesystem::remove("/dev/shm/assay-" + group_name());
}

}  // namespace
}  // namespace assay
