// A PTX module, decoded: what a test loads and launches.
#pragma once
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/simt/machine/base.h"
#include "tests/simt/machine/clocks.h"

namespace simt::ptx {

struct Warp;
struct Inst;
using Exec = void (*)(Warp&, const Inst&, std::uint32_t lanes);

/// Registers are rows of 32 lanes; immediates are rows too (Const), so that instructions see no difference.
struct Operand {
  enum Kind : std::uint8_t { None, Row, Const, Pred, Vec, Addr, Label, Sink } kind = None;
  std::uint8_t bytes = 0;    // element width of the row
  bool negate = false;       // !%p
  std::uint32_t off = 0;     // byte offset of a row, predicate index, or branch target
  std::int64_t disp = 0;     // Addr: displacement
  std::vector<Operand> sub;  // Vec: elements; Addr: base (empty: absolute)
};

enum class Flow : std::uint8_t { Plain, Branch, Exit, Barrier, ClusterBarrier, MbarrierWait, Warpgroup, TensorAlloc };

struct Inst : SourceSite {
  Exec exec = nullptr;
  Flow flow = Flow::Plain;
  bool aligned = false;      // all live lanes of the warp must execute it together
  bool is_move = false;      // register to register: may rename an accumulator in flight
  bool arrive_only = false;  // barriers: does not wait
  int guard = -1;            // predicate index
  bool guard_not = false;
  std::vector<Operand> op;
  std::uint32_t imm[6] = {};  // instruction-specific constants
};

struct Param {
  std::string name;
  std::uint32_t off, bytes;
};

/// A register row that holds the address of a shared variable: it depends on the CTA's rank in its cluster.
struct SharedAddress {
  std::uint32_t row, bytes, offset;
};

struct AddressRange {
  std::uint64_t first, bytes;
};

struct Kernel {
  std::string name;  // mangled
  std::vector<Param> params;
  std::uint32_t param_bytes = 0;
  std::uint32_t max_threads = 0;  // of a block, as __launch_bounds__ says; 0: no bound
  std::vector<Inst> code;
  std::vector<unsigned char> consts;  // rows of immediates
  std::vector<SharedAddress> shared_addresses;
  std::uint32_t row_bytes = 0, preds = 0, local_bytes = 0, static_shared = 0;
  std::uint32_t declared_shared = 0;                     // static_shared before it was rounded up
  const std::vector<AddressRange>* variables = nullptr;  // module-scope .global and .const
};

class Module {
 public:
  explicit Module(const std::string& ptx_text);
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  /// The kernel whose demangled name contains `part`; where several do, the one whose plain name is `part`.
  const Kernel& kernel(const std::string& part) const;
  const std::vector<Kernel>& kernels() const { return kernels_; }

 private:
  std::vector<Kernel> kernels_;
  std::vector<std::unique_ptr<unsigned char[]>> storage_;
  std::vector<AddressRange> variables_;
};

/// Contents of NAME.ptx: from $ASSAY_SIMT_PTX_DIR if it is there (a mutant's), else from `build_folder`.
std::string ptx_text(const std::string& build_folder, const std::string& name);

struct Launch {
  Dim3 grid, block;
  unsigned smem_bytes = 0;  // dynamic shared memory
  Dim3 cluster{};
};

struct Stats {
  std::uint64_t warp_insts = 0, lane_insts = 0;
  std::uint64_t bank_conflicts = 0;         // extra shared-memory wavefronts
  std::uint64_t sectors = 0, requests = 0;  // 32-byte sectors touched by global loads and stores, by warp request
};

/// Runs a grid; `params` is the kernel's parameter block.  Throws Error at the first fault.
Stats run(const Kernel&, const Launch&, const Options&, const std::vector<unsigned char>& params);

template <class... A>
Stats run_with(const Kernel& k, const Launch& shape, const Options& options, const A&... arguments) {
  std::vector<unsigned char> block(k.param_bytes);
  std::size_t i = 0;
  const auto put = [&](const void* a, std::size_t bytes) {
    if (i >= k.params.size() || k.params[i].bytes != bytes)
      throw Error(Fault::Unsupported,
                  format("kernel argument %zu has %zu bytes, which is not its parameter's size", i, bytes));
    std::memcpy(block.data() + k.params[i++].off, a, bytes);
  };
  (put(&arguments, sizeof arguments), ...);
  if (i != k.params.size()) throw Error(Fault::Unsupported, "too few kernel arguments");
  return run(k, shape, options, block);
}

}  // namespace simt::ptx
