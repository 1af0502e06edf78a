// Runs the PTX that nvcc produced: a warp-wide interpreter on top of simt::core.
#pragma once
#include <map>
#include <set>
#include <string>
#include <vector>
#include "tests/simt/core.h"
#include "tests/simt/device_heap.h"

namespace simt::ptx {

struct Warp;
struct Inst;
using Exec = void (*)(Warp&, const Inst&, uint32_t mask);

struct Operand {
  enum Kind : uint8_t { None, Row, Const, Pred, Vec, Addr, Label, Sink } kind = None;
  uint8_t bytes = 0;          // element width of the row
  bool negate = false;        // !%p
  uint32_t off = 0;           // byte offset of a row, predicate index, or branch target
  int64_t disp = 0;           // Addr: displacement
  std::vector<Operand> sub;   // Vec: elements; Addr: base (empty: absolute)
};
enum class Flow : uint8_t { Plain, Branch, Exit, Barrier, MbarWait, Retry, Wg };
struct Inst : SourceSite {
  Exec exec = nullptr;
  Flow flow = Flow::Plain;
  bool aligned = false;       // all live lanes of the warp must execute it together
  int guard = -1; bool guard_not = false;
  std::vector<Operand> op;
  uint32_t imm[4] = {};       // instruction-specific constants
};
struct Param { std::string name; uint32_t off, bytes; };
struct Kernel {
  std::string name;
  std::vector<Param> params; uint32_t param_bytes = 0;
  std::vector<Inst> code;
  std::vector<unsigned char> consts;       // broadcast rows of immediates
  uint32_t row_bytes = 0, preds = 0, local_bytes = 0, static_shared = 0;
  const std::vector<std::pair<uint64_t, uint64_t>>* ranges = nullptr;   // module-scope variables
};
struct Module {
  explicit Module(const std::string& text);
  /// The kernel whose demangled name contains `part`; where several do, the one whose plain name is `part`.
  const Kernel& kernel(const std::string& part) const;
  Module(const Module&) = delete;
  Module(Module&&) = delete;
  std::vector<Kernel> kernels;
  std::vector<std::unique_ptr<unsigned char[]>> storage;
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
};
/// Contents of NAME.ptx: from $ASSAY_SIMT_PTX_DIR if it is there (a mutant's), else from `build_folder`.
std::string ptx_text(const std::string& build_folder, const std::string& name);
struct Launch { Dim3 grid, block; unsigned smem_bytes = 0; Dim3 cluster{1, 1, 1}; };
struct Stats { uint64_t warp_insts = 0, lane_insts = 0, bank_conflicts = 0, sectors = 0, requests = 0; };
Stats run(const Kernel&, const Launch&, const Options&, const std::vector<unsigned char>& params);
template <class... A> Stats run_with(const Kernel& k, const Launch& l, const Options& o, const A&... args) {
  std::vector<unsigned char> p(k.param_bytes);
  size_t i = 0;
  auto put = [&](const void* a, size_t n) {
    if (i >= k.params.size() || k.params[i].bytes < n) throw Error(Fault::Unsupported, "kernel argument does not match its parameter");
    std::memcpy(p.data() + k.params[i++].off, a, n);
  };
  (put(&args, sizeof args), ...);
  if (i != k.params.size()) throw Error(Fault::Unsupported, "too few kernel arguments");
  return run(k, l, o, p);
}
}  // namespace simt::ptx
