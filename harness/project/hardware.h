// What a GPU, its links and its network reach, from a datasheet with published rates or from a result of ours.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "harness/project/training_plan.h"
#include "harness/record/named_result.h"
#include "harness/suite/accelerators.h"

namespace assay {

/// One GEMM of a rank: d[m, n] from a[m, k] and b[n, k].
struct GemmSize {
  double m = 0, n = 0, k = 0;
};

/// A kernel's time where it was measured, with half of its 95 % interval.
struct MeasuredTime {
  double seconds = 0, half_interval = 0;
  std::string kernel;
};

/// (precision, layout, m, n, k): the fastest kernel that ended well.
using MeasuredGemms =
    std::map<std::tuple<Precision, std::string, std::int64_t, std::int64_t, std::int64_t>, MeasuredTime>;
/// (precision, pass, groups, rows of all groups, n, k): a rank's experts in one launch, n and k of the layer.
using MeasuredGroups =
    std::map<std::tuple<Precision, std::string, std::int64_t, std::int64_t, std::int64_t, std::int64_t>, MeasuredTime>;
/// (pass, heads, kv_heads, seq, head_dim, batch), causal.
using MeasuredAttention =
    std::map<std::tuple<std::string, std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t>,
             MeasuredTime>;

struct GemmTile {
  int m = 128, n = 128;
  double efficiency = 1;  // of the full rate: smaller tiles reuse less of what they load
};

/// One GPU among others.
struct Hardware {
  std::string name;    // "h100"
  std::string source;  // where the rates are from, for people
  int generation = 0;  // compute capability / 10: what calibration is shared by; 0: none
  int multiprocessors = 1;
  double peak_flops = 0;           // dense bf16, of the datasheet; of a CPU the best that was measured
  double gemm_flops[3] = {};       // of large GEMMs, by Precision; 0: it has none
  double datasheet_flops[3] = {};  // the peaks, by Precision; 0 throughout: no accelerator, a CPU
  std::string rate_notes[3];       // where gemm_flops is a guess; empty where it is published or measured
  std::vector<GemmTile> tiles;
  double gemm_fill = 128;  // of k: loads before the first product and stores after the last, in products' time
  double gemm_bytes_per_second = 0;    // what GEMMs reach of memory; 0: as a stream
  double memory_bytes_per_second = 0;  // of a stream
  double memory_bytes = 0;
  double attention_forward = 0, attention_backward = 0;  // FLOP/s of visible pairs, of long sequences
  /// Keys that cost as much as the start, the end and the mask's edge of a tile of queries: s of them reach s / (s +
  /// ramp) of the rate.  0 where the rates were measured at the lengths that matter.
  double forward_ramp = 0, backward_ramp = 0;
  double launch_seconds = 0;         // between one kernel and the next
  double link_bytes_per_second = 0;  // busbw of a large all-reduce in one NVLink domain
  bool links_measured = false;
  std::string link_note;                // where that is a guess
  double network_bytes_per_second = 0;  // of one GPU's share of the node's network
  std::int64_t domain = 8;              // GPUs in one NVLink domain
  double watts = 0;                     // 0: not known
  // What was measured at exact shapes; empty from a datasheet.
  MeasuredGemms gemms;
  MeasuredGroups groups;
  MeasuredAttention attention;
  bool sustained = false;         // measured at a settled clock
  double spread = 0;              // typical relative half interval of what was measured
  double kernel_model_error = 0;  // mean, leave-one-out, of the fitted kernel model; 0 from a datasheet
  std::size_t fitted_on = 0;      // shapes
  std::vector<std::string> notes;
};

/// Datasheet peaks, and the GEMM rate others published (configs/published).
Hardware hardware_of(const Accelerator&);
/// From the GEMM, attention, all-reduce and stream records of results of one device; the fastest kernel that ended well
/// counts at every shape.  What they lack is the datasheet's, where the device is a known accelerator; `notes` say so.
/// InputError where they hold no GEMM that ended well, or different devices.
Hardware hardware_of(const std::vector<NamedResult>&);

/// Without a network of its own a cluster's applies (cluster.h).
struct Network {
  std::int64_t domain = 8;
  double bytes_per_second = 0;       // payload of one GPU's share, one direction
  double link_bytes_per_second = 0;  // busbw in a node; 0: as the accelerator's links carry.  What was measured counts
};
void join(Hardware&, const Network&);

}  // namespace assay
