// Ranks that are threads of one process: what MPI would be, without a launcher.
#pragma once
#include <algorithm>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
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

  /// A message from one rank to another; in order for each pair.
  void post(int from, int to, std::string text) {
    const std::lock_guard lock(mutex_);
    mail_[{from, to}].push_back(std::move(text));
    all_here_.notify_all();
  }
  std::string take(int from, int to) {
    std::unique_lock lock(mutex_);
    auto& box = mail_[{from, to}];
    all_here_.wait(lock, [&] { return !box.empty(); });
    std::string text = std::move(box.front());
    box.pop_front();
    return text;
  }

 private:
  std::mutex mutex_;
  std::condition_variable all_here_;
  std::map<std::pair<int, int>, std::deque<std::string>> mail_;
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
  void exchange(const void* out, int to, void* in, int from, std::size_t bytes) override {
    if (to >= 0) group_.post(rank_, to, std::string(static_cast<const char*>(out), bytes));
    if (from < 0) return;
    const std::string text = group_.take(from, rank_);
    std::copy(text.begin(), text.end(), static_cast<char*>(in));
  }
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
