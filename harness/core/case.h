// One measured point as plain data.  Its id is the key of the table row, the record, the journal line, the expectation
// and the comparison.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "kernels/common/dtype.h"
#include "kernels/common/kernel.h"

namespace assay {

/// A value on an axis of a workload: a count (`m=4096`) or a word (`layout=tn`).
using AxisValue = std::variant<std::int64_t, std::string>;
std::string to_string(const AxisValue&);

struct CaseAxis {
  std::string name;
  AxisValue value;
  bool operator==(const CaseAxis&) const = default;
};

/// Burst: short bursts after idle, the clock as it comes.  Sustained: only once the clock has settled under load.
enum class Mode { burst, sustained };
/// Cold: rotated buffers of at least twice the last-level cache.  Hot: one set of buffers, again and again.
enum class Cache { cold, hot };
/// What fills the inputs.  It changes power and so speed.
enum class Fill { normal, uniform, integers, zeros };

const char* name(Mode);
const char* name(Cache);
const char* name(Fill);
bool parse(std::string_view, Mode&);
bool parse(std::string_view, Cache&);
bool parse(std::string_view, Fill&);

struct Case {
  std::string workload;  // "gemm"
  std::string kernel;    // "mma_sm80"
  Device device = Device::cpu;
  int device_index = 0;  // GPU ordinal; 0 on a CPU
  int core = -1;         // of a CPU, counted among those of this process, where the case is that core's alone; else -1
  int together = 1;      // devices that were busy with the same at that time; 1: none but this
  DType dtype = DType::f32;
  std::vector<CaseAxis> axes;  // the workload's own, in its order; an optional one at its default is left out
  Mode mode = Mode::burst;
  Cache cache = Cache::cold;
  Fill data = Fill::normal;
  std::uint64_t seed = 1;
  /// Where the shape comes from ("llama3-8b/qkv/forward"); annotation only, not part of the id.
  std::vector<std::string> labels;
  /// Cases of one device that share this name are sampled in turns with each other, whatever they measure; empty: the
  /// kernels of one point are.  Not part of the id either, nor of a record.
  std::string in_turns;

  /// "gemm/mma_sm80/gpu0/bf16/layout=tn/m=4096/n=4096/k=4096/cold/burst/normal/seed=1"
  std::string id() const;
  /// The id without the kernel and what it chooses for itself (config, algo): the same for all that compute the same.
  std::string point_id() const;
  /// "cpu", "core3", "gpu0"
  std::string device_name() const;
  /// The value of an axis; InputError where the case lacks it or it is of the other type: a file said so.
  std::int64_t number(std::string_view axis) const;
  const std::string& word(std::string_view axis) const;
  /// The value of an optional axis: what it has where it is left out is the workload's to say.
  std::int64_t number_or(std::string_view axis, std::int64_t otherwise) const;
  std::string word_or(std::string_view axis, std::string_view otherwise) const;
};

}  // namespace assay
