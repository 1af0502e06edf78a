#include "harness/runner/stragglers.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include <fmt/format.h>

#include "harness/core/error.h"
#include "harness/measure/sampler.h"
#include "harness/runner/link_times.h"
#include "harness/runner/probe.h"
#include "harness/runner/straggler_pass.h"
#include "harness/verdict/stragglers.h"

namespace assay {
namespace {

class Search {
 public:
  Search(const Suite& suite, const Catalog& catalog, Machine& machine, Communicator& ranks)
      : rule_(*suite.stragglers), machine_(machine), ranks_(ranks) {
    ranks_.doing("searching for stragglers: preparing");
    together("", ExitCode::could_not_measure, [&] {
      for (const Case& point : suite.cases)
        if (is_probe(point)) probes_.push_back(std::make_unique<Probe>(point, catalog, machine, *alone_));
    });
    if (ranks_.size() > 1) add_collective(suite, catalog, machine);
    if (probes_.empty() && !collective_)
      throw MeasureError(fmt::format("suite '{}': no probe and no collective of it can run here", suite.name));
    choose_batches();
  }

  StragglerReport run() {
    std::vector<StragglerPass> passes;
    do {
      ranks_.doing(fmt::format("searching for stragglers: pass {}", passes.size() + 1));
      passes.push_back(measure(passes));
    } while (needs_another_pass(passes, rule_));
    check();
    return judge_stragglers(passes, rule_);
  }

 private:
  /// The first that every rank can.  What a rank cannot, none tries to prepare: it would wait for it.
  void add_collective(const Suite& suite, const Catalog& catalog, Machine& machine) {
    for (const Case& point : suite.cases) {
      if (is_probe(point)) continue;
      Suite one;
      one.cases = {point};
      const auto planned = plan(one, catalog, machine, ranks_);
      if (!planned.front().support.ok()) continue;
      together(point.id() + ": ", ExitCode::could_not_measure,
               [&] { collective_ = std::make_unique<Probe>(point, catalog, machine, ranks_); });
      return;
    }
  }

  /// A step that fails on all ranks where it fails on one.
  template <class Step>
  void together(const std::string& what, ExitCode code, const Step& step) {
    std::string problem;
    try {
      step();
    } catch (const std::exception& error) {
      problem = error.what();
    }
    const auto all = ranks_.gather(problem);
    for (std::size_t rank = 0; rank < all.size(); ++rank)
      if (!all[rank].empty())
        throw Error(code, ranks_.size() == 1 ? what + all[rank] : fmt::format("{}rank {}: {}", what, rank, all[rank]));
  }

  /// Launches in a sample: as many on every rank.
  void choose_batches() {
    for (const auto& probe : probes_) {
      constexpr double kMost = 1024;
      const double needed = std::ceil(rule_.sample_seconds / probe->launch_seconds());
      probe->set_batch(int(ranks_.broadcast(std::clamp(needed, 1.0, kMost))));
    }
  }

  StragglerPass measure(const std::vector<StragglerPass>& before) {
    RankPass mine;
    mine.host = host_name();
    measure_probes(mine);
    if (ranks_.size() > 1) {
      mine.clocks = find_clock_offsets(ranks_, steady_seconds);
      if (collective_) measure_operations(mine);
      measure_pairs(mine, before);
    }
    return merge(exchange_passes(ranks_, mine));
  }

  static std::string host_name() {
    char text[256] = "";
    ::gethostname(text, sizeof text - 1);
    return text;
  }

  /// All ranks at once, each alone; blocks begin together.
  void measure_probes(RankPass& mine) {
    const int in_block = std::max(2, (rule_.probe_samples + kBlocks - 1) / kBlocks);
    for (const auto& probe : probes_)
      mine.series.push_back({machine_.device_name(probe->point()), probe->computes(), {}});
    for (int block = 0; block < kBlocks; ++block)
      for (std::size_t i = 0; i < probes_.size(); ++i) {
        ranks_.barrier();
        probes_[i]->sample();  // after another's block: its code and data are in the caches again
        std::vector<double> samples;
        for (int k = 0; k < in_block; ++k)
          if (const auto seconds = probes_[i]->sample()) samples.push_back(*seconds);
        mine.series[i].blocks.push_back(std::move(samples));
      }
  }

  /// Nothing but the collective itself brings ranks together meanwhile.
  void measure_operations(RankPass& mine) {
    Probe* work = nullptr;
    for (const auto& probe : probes_)
      if (probe->computes() && !work) work = probe.get();
    ranks_.barrier_before_launch(collective_->bytes());
    for (int i = 0; i < kWarmUpOperations + rule_.operations; ++i) {
      const long before = involuntary_switches();
      if (work) work->run();
      const double arrived = steady_seconds();
      const bool disturbed = involuntary_switches() != before;
      collective_->run();
      const double left = steady_seconds();
      if (i >= kWarmUpOperations) mine.operations.push_back({arrived, left, disturbed});
    }
    ranks_.end_launch();
  }

  void measure_pairs(RankPass& mine, const std::vector<StragglerPass>& before) {
    if (before.empty()) {
      std::vector<std::string> hosts = ranks_.gather(mine.host);
      rounds_ = first_tournament(hosts);
    } else {
      const SlowLinks slow = find_slow_links(before.front());
      std::vector<int> suspects;
      std::vector<RankPair> pairs;
      for (const auto& node : slow.nodes) suspects.push_back(node.rank);
      for (const auto& pair : slow.pairs) pairs.push_back(pair.ranks);
      if (suspects.empty() && pairs.empty()) return;
      rounds_ = second_tournament(rounds_, suspects, pairs);
    }
    mine.pairs = time_pairs(ranks_, rounds_, std::size_t(rule_.link_bytes), steady_seconds);
  }

  /// Of the timed buffers, as for every case.
  void check() {
    ranks_.doing("searching for stragglers: checking");
    const auto right = [](Probe& probe) {
      if (const std::string problem = probe.problem(); !problem.empty()) throw Error(ExitCode::wrong_numbers, problem);
    };
    together("", ExitCode::wrong_numbers, [&] {
      for (const auto& probe : probes_) right(*probe);
    });
    if (collective_) together("", ExitCode::wrong_numbers, [&] { right(*collective_); });
  }

  static constexpr int kBlocks = 10, kWarmUpOperations = 5;

  const StragglerRule rule_;
  const Machine& machine_;
  Communicator& ranks_;
  const std::unique_ptr<Communicator> alone_ = make_single_communicator();
  std::vector<std::unique_ptr<Probe>> probes_;
  std::unique_ptr<Probe> collective_;
  std::vector<Round> rounds_;
};

}  // namespace

bool is_probe(const Case& point) {
  return std::none_of(point.axes.begin(), point.axes.end(), [](const CaseAxis& axis) { return axis.name == "ranks"; });
}

Suite without_probes(const Suite& suite) {
  Suite out = suite;
  std::erase_if(out.cases, is_probe);
  return out;
}

StragglerReport search_stragglers(const Suite& suite, const Catalog& catalog, Machine& machine, Communicator& ranks) {
  return Search(suite, catalog, machine, ranks).run();
}

}  // namespace assay
