#include "harness/project/communication.h"

#include <algorithm>
#include <cmath>

namespace assay {
namespace {

// Of one ring step with NCCL's Simple protocol, as its tuner has them (NCCL 2.28, src/graph/tuning.cc).
constexpr double kStartSeconds = 8.4e-6, kLinkStepSeconds = 3.4e-6, kNetworkStepSeconds = 14e-6;

double domains_of(const Group& group, const Hardware& hw) {
  return std::ceil(group.size * group.stride / double(hw.domain));
}

double ring_latency(const Group& group, const Hardware& hw) {
  const double network = within_domain(group, hw) ? 0 : std::min(domains_of(group, hw), group.size) - 1;
  return kStartSeconds + network * kNetworkStepSeconds + (group.size - 1 - network) * kLinkStepSeconds;
}

}  // namespace

Group tensor_group(const TrainingPlan& s) { return {double(s.split.tensor), 1}; }
Group context_group(const TrainingPlan& s) { return {double(s.split.context), double(s.split.tensor)}; }
Group data_group(const TrainingPlan& s) {
  return {double(s.data_parallel()) * double(s.split.context), double(s.split.tensor)};
}
Group expert_group(const TrainingPlan& s) { return {double(s.split.expert), 1}; }
Group expert_data_group(const TrainingPlan& s) {
  return {double(s.gpus / s.split.pipeline) / double(s.split.expert), double(s.split.expert)};
}

bool within_domain(const Group& group, const Hardware& hw) { return group.size * group.stride <= double(hw.domain); }

double bus_bytes_per_second(const Group& group, const Hardware& hw) {
  if (within_domain(group, hw)) return hw.link_bytes_per_second;
  const double beside = std::max(1.0, std::floor(double(hw.domain) / group.stride));
  return std::min(hw.link_bytes_per_second, beside * hw.network_bytes_per_second);
}

double gather_seconds(double bytes, const Group& group, const Hardware& hw, double bus_share) {
  if (group.size <= 1 || bytes <= 0) return 0;
  return (group.size - 1) / group.size * bytes / (bus_bytes_per_second(group, hw) * bus_share) +
         ring_latency(group, hw);
}

double all_reduce_seconds(double bytes, const Group& group, const Hardware& hw) {
  return 2 * gather_seconds(bytes, group, hw);
}

TokenCopies token_copies(const TrainingPlan& s, const Hardware& hw) {
  const double ranks = expert_group(s).size, chosen = double(s.model.experts_per_token);
  const double domain = std::min(ranks, double(hw.domain));
  if (!s.stack.dispatch_per_node) return {chosen * (domain - 1) / ranks, chosen * (ranks - domain) / ranks};
  const double nodes = std::max(1.0, ranks / domain), limit = double(s.model.routing_nodes);
  const double reachable = limit > 0 ? std::min(limit, nodes) : nodes;
  const auto hit = [&](double among) { return among * (1 - std::pow(1 - 1 / among, chosen)); };
  return {hit(reachable * domain) * (domain - 1) / domain, hit(reachable) * (nodes - 1) / nodes};
}

double dispatch_seconds(double tokens, double bytes, const TrainingPlan& s, const Hardware& hw) {
  if (s.split.expert <= 1) return 0;
  const TokenCopies copies = token_copies(s, hw);
  return kStartSeconds +
         tokens * bytes * std::max(copies.near / hw.link_bytes_per_second, copies.far / hw.network_bytes_per_second);
}

double neighbour_seconds(double bytes, const TrainingPlan& s, const Hardware& hw) {
  const Group pair{2, double(s.gpus / s.split.pipeline)};
  return bytes / (within_domain(pair, hw) ? hw.link_bytes_per_second : hw.network_bytes_per_second) +
         (within_domain(pair, hw) ? kLinkStepSeconds : kNetworkStepSeconds);
}

double exposed_seconds(double communication, double window, double pieces, double contention) {
  const double outside = std::max(communication / std::max(1.0, pieces), communication - window);
  return outside + contention * (communication - outside);
}

}  // namespace assay
