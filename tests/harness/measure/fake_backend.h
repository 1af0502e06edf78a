// A device whose time is a number, and ranks that are threads.
#pragma once
#include <algorithm>
#include <barrier>
#include <functional>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "harness/measure/sampler.h"

namespace assay {

/// A device whose time is a number: every launch advances it, and nothing else does unless a test says so.
class FakeBackend final : public Backend {
 public:
  // Binary fractions: sums of them are exact, and equal launches take exactly equal times.
  double now = 1024;
  double floor = 0x1p-20;                                        // every time() costs this
  std::function<double(int)> cost = [](int) { return 0x1p-7; };  // seconds of launch number i, from 0
  std::function<Placement()> place = [] { return Placement::near; };
  std::vector<int> sets;  // of every launch
  int empty_launches = 0, probes = 0, timings = 0;

  Sampled launches(int set_count = 1, bool probe = false) {
    return {[this](int set) {
              now += cost(int(sets.size()));
              sets.push_back(set);
            },
            set_count, probe};
  }
  Clock clock() {
    return [this] { return now; };
  }

  Target target(int) const override { return {}; }
  Stream stream(int) const override { return nullptr; }
  Buffer allocate(std::size_t, int) override { return {}; }
  void copy_in(const Buffer&, const void*, std::size_t) override {}
  void copy_out(void*, const Buffer&, std::size_t) override {}
  void fill(const Buffer&, std::uint8_t) override {}
  std::size_t free_bytes(int) const override { return 0; }
  double time(const std::function<void()>& enqueue) override {
    ++timings;
    const double before = now;
    enqueue();
    now += floor;
    return now - before;
  }
  void launch_empty() override { ++empty_launches; }
  void synchronize() override {}
  std::size_t last_level_cache_bytes() const override { return 0; }
  Placement probe_placement(bool) override { return ++probes, place(); }

 private:
  void release(void*, std::size_t, int) noexcept override {}
};

class Alone : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void barrier() override {}
  double maximum(double value) override { return value; }
  double broadcast(double value) override { return value; }
  std::string broadcast(const std::string& text) override { return text; }
  std::vector<std::string> gather(const std::string& text) override { return {text}; }
  std::string group_name() const override { return "alone"; }
};

/// Two ranks as two threads.
struct Meeting {
  std::barrier<> here{2};
  double values[2] = {};
  std::string texts[2];
};

class OneOfTwo final : public Alone {
 public:
  OneOfTwo(Meeting& meeting, int rank) : meeting_(meeting), rank_(rank) {}
  int rank() const override { return rank_; }
  int size() const override { return 2; }
  void barrier() override { meeting_.here.arrive_and_wait(); }
  double maximum(double value) override {
    const auto [mine, other] = exchange(value);
    return std::max(mine, other);
  }
  double broadcast(double value) override {
    const auto [mine, other] = exchange(value);
    return rank_ == 0 ? mine : other;
  }
  std::vector<std::string> gather(const std::string& text) override {
    meeting_.texts[rank_] = text;
    meeting_.here.arrive_and_wait();
    const std::vector<std::string> out(std::begin(meeting_.texts), std::end(meeting_.texts));
    meeting_.here.arrive_and_wait();
    return out;
  }

 private:
  std::pair<double, double> exchange(double value) {
    meeting_.values[rank_] = value;
    meeting_.here.arrive_and_wait();
    const std::pair<double, double> out{meeting_.values[rank_], meeting_.values[1 - rank_]};
    meeting_.here.arrive_and_wait();
    return out;
  }
  Meeting& meeting_;
  int rank_;
};

}  // namespace assay
