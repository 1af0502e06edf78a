// What ranks would have measured, made up: a healthy machine with the noise of a virtual one, and faults in it.
#pragma once
#include <cmath>
#include <map>
#include <random>
#include <vector>

#include "harness/verdict/stragglers.h"

namespace assay {

struct Fault {
  int rank = -1;
  double compute = 1, memory = 1, link = 1;  // times longer
  double late = 0;                           // part of the work before an operation, without the probe being slow
  RankPair pair = {-1, -1};
  double pair_link = 1;
};

struct Noise {
  double scatter = 0.03;    // of a sample, log-normal
  double outliers = 0.02;   // of the samples are ten times as long
  double wander = 0.04;     // a core's own speed, autocorrelated over blocks
  double far = 0.3;         // of the pairs on one host run four times as long, for a while
  double disturbed = 0.03;  // of the samples and operations
};

class Synthetic {
 public:
  Synthetic(std::vector<std::string> hosts, Fault fault, std::uint64_t seed, Noise noise = {})
      : hosts_(std::move(hosts)), fault_(fault), noise_(noise), random_(seed) {
    first_ = first_tournament(hosts_);
  }

  StragglerPass pass(const std::vector<Round>& rounds) {
    StragglerPass out;
    for (std::size_t rank = 0; rank < hosts_.size(); ++rank) {
      out.members.push_back({int(rank), hosts_[rank], "cpu", {}, {}, {}, {}, 0});
      out.compute.push_back(probe(1e-3 * (at(rank) ? fault_.compute : 1)));
      out.memory.push_back(probe(2e-3 * (at(rank) ? fault_.memory : 1)));
      out.clock_uncertainty.push_back(1e-6);
    }
    add_operations(out);
    for (const Round& round : rounds)
      for (const RankPair& pair : round) out.pairs.push_back({pair, messages(pair)});
    return out;
  }

  /// As the search does it: more passes where there is an accusation.
  StragglerReport search(const StragglerRule& rule = {}) {
    std::vector<StragglerPass> passes;
    do passes.push_back(pass(passes.empty() ? first_ : again(passes.front())));
    while (needs_another_pass(passes, rule));
    return judge_stragglers(passes, rule);
  }

 private:
  bool at(std::size_t rank) const { return int(rank) == fault_.rank; }
  double uniform() { return std::uniform_real_distribution<double>(0, 1)(random_); }
  double normal() { return std::normal_distribution<double>()(random_); }
  double sample(double seconds) {
    return seconds * std::exp(noise_.scatter * std::abs(normal())) * (uniform() < noise_.outliers ? 10 : 1);
  }

  ProbeBlocks probe(double seconds) {
    ProbeBlocks blocks;
    double wander = normal();
    for (int block = 0; block < 10; ++block) {
      wander = 0.8 * wander + 0.6 * normal();
      blocks.emplace_back();
      for (int i = 0; i < 8; ++i)
        if (uniform() >= noise_.disturbed) blocks.back().push_back(sample(seconds * std::exp(noise_.wander * wander)));
    }
    return blocks;
  }

  void add_operations(StragglerPass& out) {
    double now = 0;
    std::vector<double> wander(hosts_.size());
    for (double& one : wander) one = normal();
    for (int i = 0; i < 100; ++i) {
      OperationTimes times;
      for (std::size_t rank = 0; rank < hosts_.size(); ++rank) {
        wander[rank] = 0.95 * wander[rank] + 0.31 * normal();
        const double slow = at(rank) ? fault_.compute + fault_.late : 1;
        times.arrived.push_back(now + sample(1e-3 * slow * std::exp(noise_.wander * wander[rank])));
        times.disturbed.push_back(uniform() < noise_.disturbed);
      }
      now = *std::max_element(times.arrived.begin(), times.arrived.end());
      for (std::size_t rank = 0; rank < hosts_.size(); ++rank) times.left.push_back(now + sample(30e-6));
      now += 40e-6;
      out.operations.push_back(std::move(times));
    }
  }

  std::vector<double> messages(const RankPair& pair) {
    const bool one_host = hosts_[std::size_t(pair.first)] == hosts_[std::size_t(pair.second)];
    double seconds = one_host ? 100e-6 : 80e-6;
    if (one_host && uniform() < noise_.far) seconds *= 4;
    if (at(std::size_t(pair.first)) || at(std::size_t(pair.second))) seconds *= fault_.link;
    if (pair == fault_.pair) seconds *= fault_.pair_link;
    std::vector<double> out;
    for (int i = 0; i < 12; ++i) out.push_back(sample(seconds));
    return out;
  }

  std::vector<Round> again(const StragglerPass& first) {
    const SlowLinks slow = find_slow_links(first);
    std::vector<int> suspects;
    std::vector<RankPair> pairs;
    for (const auto& node : slow.nodes) suspects.push_back(node.rank);
    for (const auto& one : slow.pairs) pairs.push_back(one.ranks);
    return suspects.empty() && pairs.empty() ? std::vector<Round>() : second_tournament(first_, suspects, pairs);
  }

  const std::vector<std::string> hosts_;
  const Fault fault_;
  const Noise noise_;
  std::mt19937_64 random_;
  std::vector<Round> first_;
};

inline std::vector<std::string> one_host(int ranks) { return std::vector<std::string>(std::size_t(ranks), "node1"); }
inline std::vector<std::string> own_hosts(int ranks) {
  std::vector<std::string> out;
  for (int rank = 0; rank < ranks; ++rank) out.push_back("node" + std::to_string(rank));
  return out;
}

}  // namespace assay
