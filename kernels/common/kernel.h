// The form every kernel table shares: hand-written kernels and vendor libraries are rows of one table, prepared and
// launched by the same code, so that a yardstick is measured exactly as we are.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "kernels/common/dtype.h"
#include "kernels/common/stream.h"

namespace assay {

enum class Device : std::uint8_t { cpu, gpu };

constexpr const char* name(Device d) { return d == Device::cpu ? "cpu" : "gpu"; }

/// Where a kernel is asked to run, and what that place can do.
struct Target {
  Device device = Device::cpu;
  int index = 0;               // GPU ordinal
  int threads = 1;             // CPU threads a kernel may use
  int compute_capability = 0;  // 90 for sm_90; 0 on a CPU
  int multiprocessors = 0;
  std::size_t shared_bytes_per_block = 0;  // the opt-in maximum of dynamic shared memory
  std::size_t l2_bytes = 0;    // 0 where unknown
};

/// Whether a kernel takes a problem; the reason, where it does not, is shown to the user.
struct Support {
  std::string reason;
  bool ok() const { return reason.empty(); }
  static Support yes() { return {}; }
  static Support no(std::string why) { return {std::move(why)}; }
};

/// Thrown while preparing by a kernel that finds only then that it cannot do the problem: a library that has the last
/// word on what it supports.  The case is then skipped with this reason, not failed.
struct Unsupported : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// How a kernel adds up products, which decides how far it may be from the exact result.  fp32 throughout, unless a row
/// says otherwise.
struct Accumulation {
  /// Bits kept of a sum and, below the largest of what is added, of each addend; what lies lower is cut off.  24: fp32.
  int significand_bits = 24;
  int step = 1;          // products added to a sum at once
  std::int64_t run = 0;  // of k that are summed so before the sum goes over to fp32; 0: all
};

/// What Hopper's tensor cores do to 8-bit products (measured by others: the DeepSeek-V3 report, arXiv 2412.19437,
/// 3.5.2; SageAttention2, arXiv 2411.10958, 3.3).
constexpr Accumulation hopper_8_bit_accumulation(std::int64_t run) { return {14, 32, run}; }

/// What a kernel or its library knows of one prepared problem besides its time: the algorithm chosen, the time it
/// predicted itself.  A number, a word, or nothing and why.
struct Detail {
  std::string name;  // "algorithm", "predicted_seconds"
  std::variant<std::monostate, double, std::string> value;
  std::string why;  // there is no value
};

/// A kernel made ready for one problem: handles opened, algorithms chosen, workspaces allocated.
/// `launch` only enqueues on a GPU, and finishes the work on a CPU.
template <class Buffers>
class Operation {
 public:
  virtual ~Operation() = default;
  virtual void launch(const Buffers&, Stream) = 0;
  /// What was chosen (algorithm, tile), in one line; empty where there was no choice.
  virtual std::string description() const { return {}; }
  /// After timing and checking, since it may launch on these buffers to find out.
  virtual std::vector<Detail> details(const Buffers&, Stream) { return {}; }
};

template <class Problem, class Buffers>
struct Kernel {
  using Prepare = std::unique_ptr<Operation<Buffers>>(const Problem&, const Target&, const std::vector<Buffers>& sets,
                                                      Stream);
  std::string name;            // ours plain (`mma_sm80`), a library's starts with its name (`cublaslt_tuned`)
  Device device = Device::cpu;
  bool vendor = false;         // a library's: a yardstick, against which `percent_of_vendor` is taken
  bool packs_weights = false;  // arranges constant operands in `prepare` where the problem says that they are
  std::vector<DType> dtypes;
  std::function<Support(const Problem&, const Target&)> supports;  // dtype is checked by the caller, from `dtypes`
  /// What the kernel would choose for the problem there and what it expects of it ("128x256x64, clusters of 2, 448
  /// tiles in 3.4 waves of 132, 85 % of the last filled, ..."), for people; null where there is no choice.  Needs no
  /// device.
  std::function<std::string(const Problem&, const Target&)> explain;
  /// Null: fp32.
  std::function<Accumulation(const Problem&, const Target&)> accumulation;
  /// `sets` are the rotated buffer sets that will be timed (never empty): a library may tune on them.
  std::function<Prepare> prepare;
};

/// An operation that is one function of the problem and the buffers and keeps nothing.
template <class Problem, class Buffers>
class FunctionOperation final : public Operation<Buffers> {
 public:
  using Function = void (*)(const Problem&, const Buffers&, const Target&, Stream);
  FunctionOperation(Function function, Problem problem, Target target)
      : function_(function), problem_(std::move(problem)), target_(target) {}
  void launch(const Buffers& buffers, Stream stream) override { function_(problem_, buffers, target_, stream); }

 private:
  Function function_;
  Problem problem_;
  Target target_;
};

/// The `prepare` of a kernel that is one function.
template <class Problem, class Buffers>
std::function<typename Kernel<Problem, Buffers>::Prepare> stateless(
    void (*function)(const Problem&, const Buffers&, const Target&, Stream)) {
  return [function](const Problem& problem, const Target& target, const std::vector<Buffers>&, Stream) {
    return std::make_unique<FunctionOperation<Problem, Buffers>>(function, problem, target);
  };
}

}  // namespace assay
