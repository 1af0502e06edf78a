#include "harness/project/goodput.h"

#include <algorithm>
#include <cmath>

namespace assay {
namespace {
constexpr double kDay = 86400;
constexpr double kCheckpointBytes = 14;  // bf16 weight, fp32 master copy and two moments
}  // namespace

double interruption_seconds(double nodes, double failures_per_1000_node_days) {
  return 1000 / (failures_per_1000_node_days * nodes) * kDay;
}

double young_interval(double checkpoint, double interruption) { return std::sqrt(2 * checkpoint * interruption); }

double goodput_share(double interval, const Recovery& recovery, double interruption) {
  const double m = interruption;
  return interval /
         (m * std::exp(recovery.restart_seconds / m) * std::expm1((interval + recovery.checkpoint_seconds) / m));
}

Goodput goodput(double nodes, double parameters, const Cluster& cluster, const Recovery& recovery) {
  Goodput out;
  const double m = interruption_seconds(std::max(1.0, nodes), cluster.failures_per_1000_node_days.value);
  out.failures_per_day = kDay / m;
  out.interval_seconds = young_interval(std::max(1e-3, recovery.checkpoint_seconds), m);
  out.share = goodput_share(out.interval_seconds, recovery, m);
  out.checkpoint_bytes = kCheckpointBytes * parameters;
  return out;
}

Bill bill(double tokens, double tokens_per_second, double gpus, double share, double watts, double pue, double price) {
  Bill out;
  const double hours = tokens / (tokens_per_second * share) / 3600;
  out.days = hours / 24;
  out.gpu_hours = hours * gpus;
  out.kilowatt_hours = out.gpu_hours * watts * pue / 1000;
  out.dollars = out.gpu_hours * price;
  return out;
}

}  // namespace assay
