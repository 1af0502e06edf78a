// Ranks of a communicator as threads of a test: every rank its own backend and step.
#pragma once
#include <barrier>
#include <exception>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

#include "harness/communicators/communicator.h"

namespace assay {

class RankThread final : public Communicator {
 public:
  /// What the ranks share.
  struct Group {
    Group(int ranks, std::string group_name) : name(std::move(group_name)), meet(ranks), texts(std::size_t(ranks)) {}
    const std::string name;
    std::barrier<> meet;
    std::vector<std::string> texts;
  };
  RankThread(Group& group, int rank) : group_(group), rank_(rank) {}
  int rank() const override { return rank_; }
  int size() const override { return int(group_.texts.size()); }
  void barrier() override { group_.meet.arrive_and_wait(); }
  double maximum(double value) override {
    double most = value;
    for (const std::string& text : gather(std::to_string(value))) most = std::max(most, std::stod(text));
    return most;
  }
  double broadcast(double value) override { return std::stod(gather(std::to_string(value)).front()); }
  std::string broadcast(const std::string& text) override { return gather(text).front(); }
  std::vector<std::string> gather(const std::string& text) override {
    group_.texts[std::size_t(rank_)] = text;
    barrier();
    const std::vector<std::string> all = group_.texts;
    barrier();
    return all;
  }
  std::string group_name() const override { return group_.name; }

 private:
  Group& group_;
  const int rank_;
};

/// `body` in a thread for each of n ranks; then what one of them threw.
inline void on_ranks(int n, const std::function<void(Communicator&)>& body) {
  static int groups = 0;
  RankThread::Group group(n, "rank_threads_" + std::to_string(getpid()) + "_" + std::to_string(++groups));
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(n));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < n; ++rank)
    threads.emplace_back([&, rank] {
      RankThread communicator(group, rank);
      try {
        body(communicator);
      } catch (...) {
        errors[std::size_t(rank)] = std::current_exception();
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& error : errors)
    if (error) std::rethrow_exception(error);
}

}  // namespace assay
