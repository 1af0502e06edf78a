// A workload answers four questions about a case: how much work it is, how to prepare it, how to launch it, and whether
// the result is right.  Timing, repeats and printing never appear in one.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/backends/backend.h"
#include "harness/communicators/communicator.h"
#include "harness/core/case.h"
#include "harness/verify/check.h"
#include "harness/workloads/loss_curve.h"

namespace assay {

/// Algorithmic work of one launch, never measured.
struct Work {
  double flops = 0;        // 0 where the workload does none worth a rate
  double bytes = 0;        // that must move: every input read once, every output written once
  std::string convention;  // how they are counted: "2 m n k"
  double bus_factor = 0;   // collectives: busbw = bus_factor * bytes / seconds; 0 elsewhere
};

/// What a workload may use.
struct WorkloadContext {
  Backend& backend;
  Communicator& communicator;
};

class RotatedBuffer;  // rotated_buffer.h

/// A tensor that a launch writes.
struct OutputTensor {
  std::string name;  // "d"
  const RotatedBuffer* buffer = nullptr;
  std::size_t element_bytes = 1;    // 1, 2, 4 or 8
  std::vector<std::int64_t> shape;  // row-major; empty where an element is only known by its number
};

/// One prepared case: buffers filled, outputs poisoned with NaN, kernel ready.
class Workload {
 public:
  virtual ~Workload() = default;
  virtual Work work() const = 0;
  virtual int sets() const = 0;
  /// Enqueues one launch on buffer set `set`.
  virtual void launch(int set) = 0;
  /// After timing: compares the outputs of the timed buffers with the reference.  `launches` counts launch(set) calls
  /// per set since preparation (an accumulating kernel's output depends on them).
  virtual Check check(const std::vector<std::int64_t>& launches) = 0;
  virtual bool probe_placement() const { return false; }
  /// Whether its CPU kernel computes in threads of its own rather than in the backend's.
  virtual bool own_threads() const { return false; }
  /// What the kernel chose, in one line; empty where there was no choice.
  virtual std::string description() const { return {}; }
  /// What the kernel knows besides its time.  Called last: it may launch, after which outputs are no longer what was
  /// checked.  Every rank calls it.
  virtual std::vector<Detail> details() { return {}; }
  /// How its loss went, where it trains.  After check(); every rank calls it, and rank 0's is kept.
  virtual std::optional<LossCurve> losses() { return {}; }
  /// The part of it that the bits of the output may depend on.
  virtual std::string variant() const { return description(); }
  /// What a launch writes, where every launch on every set writes the same bits whatever was there before: not sums
  /// over launches, not atomics in any order.  None elsewhere.
  virtual std::vector<OutputTensor> outputs() const { return {}; }
};

/// One axis a workload declares.
struct AxisSpec {
  std::string name;
  std::string meaning;             // with unit
  std::vector<std::string> words;  // allowed words; empty for a number
  std::int64_t minimum = 1, maximum = std::int64_t(1) << 40;
  std::optional<AxisValue> default_value;  // required where absent
  /// Left out of the case, and so of its id, where it has its default: an axis added later leaves the ids of older
  /// results as they were.
  bool optional = false;
  /// Any word of letters, digits and `_ - . + /`: names that only a kernel knows.
  bool free_word = false;
};

/// A kernel of the workload as far as suites and listings need it.
struct KernelSpec {
  std::string name;
  Device device = Device::cpu;
  bool vendor = false;
  std::vector<DType> dtypes;
};

/// A row of the catalog.
struct WorkloadKind {
  std::string name;
  std::string meaning;
  std::vector<AxisSpec> axes;       // in the order of the case id
  std::vector<KernelSpec> kernels;  // ours first
  /// What no single axis can say: "heads must be a multiple of kv_heads"; also products that overflow.  Empty: fine.
  std::function<std::string(const Case&)> validate;
  /// Replaces axis values that mean "whatever is here" (ranks=0), so that the id says what was measured.  `offered`:
  /// processes of the launcher, or GPUs where the case runs on them.  Null where no axis has such a value.
  std::function<void(Case&, int offered)> resolve;
  /// A process is one rank, whatever GPUs it sees: then only processes are offered.
  bool rank_per_process = false;
  /// Bytes of device memory the case needs per buffer set, and its work, without allocating anything.
  std::function<std::size_t(const Case&)> set_bytes;
  std::function<Work(const Case&, int ranks)> work;
  /// Why this case cannot run on that target, or yes.
  std::function<Support(const Case&, const Target&, const Communicator&)> supports;
  /// What the kernel would choose there and what it expects of it, in one line; empty where it has no choice.  Null
  /// where no kernel of the workload has.
  std::function<std::string(const Case&, const Target&)> explain;
  std::function<std::unique_ptr<Workload>(const Case&, WorkloadContext&)> make;
};

using Catalog = std::vector<WorkloadKind>;

/// The workloads of this build: the table of the suite.  One line each.
const Catalog& catalog();

const WorkloadKind* find_workload(const Catalog&, std::string_view name);
const KernelSpec* find_kernel(const WorkloadKind&, std::string_view name);

/// Rotated sets so that their sum is at least twice the last-level cache (2 to 1024 of them); 1 for hot.
/// MeasureError where they do not fit in memory.
int rotation_sets(const Case&, std::size_t set_bytes, const Backend&, int slot = 0);

}  // namespace assay
