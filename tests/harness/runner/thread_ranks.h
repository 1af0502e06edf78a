// Ranks that are threads of one process: what MPI would be, without a launcher.
#pragma once
#include <algorithm>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "harness/communicators/communicator.h"

namespace assay {

class ThreadGroup {
 public:
  explicit ThreadGroup(int size) : texts_(std::size_t(size)) {}
  int size() const { return int(texts_.size()); }

  /// Every rank's text, once all have called.
  std::vector<std::string> exchange(int rank, const std::string& text) {
    std::unique_lock lock(mutex_);
    texts_[std::size_t(rank)] = text;
    const long round = round_;
    if (++arrived_ == size()) {
      arrived_ = 0;
      ++round_;
      result_ = texts_;
      all_here_.notify_all();
    } else {
      all_here_.wait(lock, [&] { return round_ != round; });
    }
    return result_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable all_here_;
  std::vector<std::string> texts_, result_;
  int arrived_ = 0;
  long round_ = 0;
};

class ThreadRank final : public Communicator {
 public:
  ThreadRank(ThreadGroup& group, int rank) : group_(group), rank_(rank) {}
  int rank() const override { return rank_; }
  int size() const override { return group_.size(); }
  void barrier() override { gather(""); }
  double maximum(double value) override {
    double most = value;
    for (const auto& text : gather(text_of(value))) most = std::max(most, std::stod(text));
    return most;
  }
  double broadcast(double value) override { return std::stod(gather(text_of(value)).front()); }
  std::string broadcast(const std::string& text) override { return gather(text).front(); }
  std::vector<std::string> gather(const std::string& text) override { return group_.exchange(rank_, text); }
  std::string group_name() const override { return "threads"; }

 private:
  static std::string text_of(double value) {
    char text[64];
    std::snprintf(text, sizeof text, "%.17g", value);
    return text;
  }
  ThreadGroup& group_;
  int rank_;
};

/// Runs `body` as each of `size` ranks at once.
inline void as_ranks(int size, const std::function<void(Communicator&)>& body) {
  ThreadGroup group(size);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank)
    threads.emplace_back([&, rank] {
      ThreadRank communicator(group, rank);
      body(communicator);
    });
  for (auto& thread : threads) thread.join();
}

}  // namespace assay
