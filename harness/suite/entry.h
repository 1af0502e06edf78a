// One entry of a suite's "cases", read and checked but not yet multiplied out.
#pragma once
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "harness/core/case.h"
#include "harness/suite/suite.h"
#include "harness/workloads/workload.h"

namespace assay {

/// A list and where it was written ("quick.json: /cases/3/m", "--set m").
struct Values {
  std::vector<AxisValue> list;
  std::string place;
};

/// Which element types a shape is for.  Training multiplies 8- and 4-bit operands k-major only, so that a model's
/// passes have other layouts there.
enum class Width { any, sixteen_bits_and_more, fewer };

constexpr bool covers(Width width, DType dtype) {
  return width == Width::any || (info(dtype).bits < 16) == (width == Width::fewer);
}

/// Axes that go together.
struct Shape {
  std::vector<CaseAxis> axes;
  std::vector<std::string> labels;
  Width width = Width::any;
  int bits = 0;  // of the element type it is for, where the axes depend on it; 0: any

  bool fits(DType dtype) const { return covers(width, dtype) && (bits == 0 || bits == info(dtype).bits); }
};

struct Entry {
  const WorkloadKind* kind = nullptr;
  std::string place;                                  // "quick.json: /cases/3"
  std::map<std::string, Values, std::less<>> values;  // by key (keys.h); what nobody gave has its default
  std::vector<Shape> shapes;                          // as written, or derived from models; one without axes otherwise
  std::string in_turns;                               // as the case's
  bool derived = false;                               // from models
  bool kernel_overridden = false;

  const Values* find(std::string_view key) const;
};

/// What the machine offers, and what `--set device=` leaves of it.
struct Machine {
  bool cpu = true;
  std::vector<int> gpus;
  bool auto_means_all = false;
};

/// `defaults` is the suite's object of that name, or an empty one.
Entry read_entry(const nlohmann::ordered_json& entry, const nlohmann::ordered_json& defaults, const std::string& source,
                 const std::string& pointer, const Catalog&);

/// Replaces the lists in every entry that has the key; InputError where none has it.
void apply_overrides(std::vector<Entry>&, const std::vector<AxisOverride>&);

/// InputError for a word that is none; MeasureError where `--set device=` names what is not here.
Machine narrow(const DevicesPresent&, const std::vector<AxisOverride>&);

/// Turns an entry's model keys into shapes.
void derive_shapes(Entry&);

/// A kernel on a device with one dtype.
struct KernelChoice {
  const KernelSpec* kernel;
  Device device;
  int device_index;
  DType dtype;
};

/// What an entry runs on this machine: dtypes outermost, then devices, then kernels in the workload's order.  Adds a
/// note for what a plain name asked for and this build or machine does not have.
std::vector<KernelChoice> choose_kernels(const Entry&, const Machine&, std::vector<std::string>& notes);

/// InputError where `--set kernel=` names a kernel that no entry's workload has.
void check_overridden_kernels(const std::vector<Entry>&);

/// Cases of a suite, all entries together: more would run for months, and is a slip of the pen.
inline constexpr std::int64_t kMaxCases = 100'000;

/// Multiplies entries out into the suite's cases.  `merging`: an override changed the entries.  Equal cases then become
/// one, and impossible ones are left out with a note (one dtype for all entries fits not all of them), instead of an
/// error.
class Expander {
 public:
  Expander(Suite& suite, Machine machine, bool merging)
      : suite_(suite), machine_(std::move(machine)), merging_(merging) {}
  void add(const Entry&);
  /// After the last entry: InputError where all that was asked for is impossible.
  void finish() const;

 private:
  struct Origin {
    std::size_t index;  // in suite.cases
    std::string place;
    bool derived;
  };
  void emit(const Entry&, Case&&);
  void refuse(const Entry&, const std::string& why);

  Suite& suite_;
  Machine machine_;
  bool merging_;
  std::map<std::string, Origin> seen_;  // by case id
  std::string impossible_;              // the first of them
  std::string last_refused_;            // entry
};

}  // namespace assay
