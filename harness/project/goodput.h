// What failures and checkpoints leave of a run's time, and what the rest costs.
#pragma once
#include "harness/project/cluster.h"

namespace assay {

struct Recovery {
  double checkpoint_seconds = 30;  // that training stands still for one checkpoint
  double restart_seconds = 600;    // from the failure to the next step: detection, a spare node, loading
};

struct Goodput {
  double failures_per_day = 0;
  double interval_seconds = 0;  // of checkpoints: optimal
  double share = 1;             // of wall time in which training advances
  double checkpoint_bytes = 0;  // weights, master copy and moments: 14 bytes a parameter
};

/// Mean time between interruptions of a job of `nodes`: 1000 / (r nodes) days.
double interruption_seconds(double nodes, double failures_per_1000_node_days);
/// Young (1974): sqrt(2 delta M).
double young_interval(double checkpoint_seconds, double interruption_seconds);
/// T / E, E = M e^(R/M) (e^((T + delta)/M) - 1): the expected wall time of T useful seconds and their checkpoint,
/// failures being a Poisson process that also strikes while restarting (Daly 2006).
double goodput_share(double interval, const Recovery&, double interruption_seconds);
Goodput goodput(double nodes, double parameters, const Cluster&, const Recovery&);

/// Of a budget of tokens.
struct Bill {
  double days = 0, gpu_hours = 0, kilowatt_hours = 0, dollars = 0;  // the last two 0 where power or price is not known
};
/// `watts` of one GPU's board; nodes' other parts are not counted, cooling is (PUE).
Bill bill(double tokens, double tokens_per_second, double gpus, double goodput_share, double watts, double pue,
          double dollars_per_gpu_hour);

}  // namespace assay
