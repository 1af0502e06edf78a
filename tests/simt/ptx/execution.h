// State of a running grid, as instructions see it.
#pragma once
#include "tests/simt/device_heap.h"
#include "tests/simt/machine/cluster.h"
#include "tests/simt/ptx/program.h"

namespace simt::ptx {

struct Machine;
struct Resident;

/// Lanes of a warp at the same program counter.
struct Group {
  enum State { Run, Mbarrier, Barrier, ClusterBarrier, Wait };
  std::uint32_t pc, mask;
  State state = Run;
  std::uint32_t addr = 0, parity = 0;  // of the mbarrier, or the barrier's id
  std::uint64_t generation = 0;
};

struct Warp {
  Machine* machine = nullptr;
  Resident* resident = nullptr;
  const Kernel* kernel = nullptr;
  Cta* cta = nullptr;
  unsigned index = 0, base = 0;            // warp within the CTA, its first thread
  std::vector<unsigned char> rows, local;  // registers; local memory, one block per lane
  std::vector<std::uint32_t> pred;
  std::vector<Group> groups;
  std::uint32_t live = 0;
  std::vector<Clock> in_flight;  // per row: the wgmma group that has yet to deliver it, or kTensorLoad; 0 if none
  bool any_in_flight = false;

  template <class T>
  T* row(const Operand& o) {
    const unsigned char* from = o.kind == Operand::Const ? kernel->consts.data() : rows.data();
    return reinterpret_cast<T*>(const_cast<unsigned char*>(from) + o.off);
  }
  std::uint32_t pred_bits(const Operand& o) const {
    if (o.kind == Operand::Const) {  // mov.pred takes an immediate
      std::uint32_t value;
      std::memcpy(&value, kernel->consts.data() + o.off, sizeof value);
      return value ? ~0u : 0;
    }
    return o.negate ? ~pred[o.off] : pred[o.off];
  }
  void set_pred(const Operand& o, std::uint32_t value, std::uint32_t mask) {
    if (o.kind == Operand::Pred) pred[o.off] = (pred[o.off] & ~mask) | (value & mask);
  }
  std::uint64_t load(const Operand&, int lane);
  void store(const Operand&, int lane, std::uint64_t value);
  std::int64_t address(const Operand&, int lane);
  /// An address in this CTA's shared memory, without the rank; a fault if it names another CTA.
  std::uint32_t shared_address(const Operand&, int lane, const Inst&);
  std::uint32_t own_shared(std::int64_t address, const Inst&) const;
  unsigned agent(int lane) const { return cta->cluster.agent(*cta, base + unsigned(lane)); }
  unsigned thread(int lane) const { return base + unsigned(lane); }
};

/// The four warps of a warpgroup meet here before their instruction takes effect once.
struct WarpgroupMeeting {
  unsigned arrived = 0;
  std::uint32_t pc = 0;
  bool passed[4] = {};
};

/// One resident cluster and its warps.
struct Resident {
  std::unique_ptr<Cluster> cluster;
  std::vector<Warp> warps;
  std::vector<WarpgroupMeeting> meetings;  // by CTA and warpgroup
};

struct Machine {
  const Kernel* kernel;
  const Options& options;
  const unsigned char* params;  // 64-byte aligned, as tensor maps need
  std::size_t param_bytes;
  unsigned warps_per_cta;
  Stats stats{};
  GlobalMemory global{};
  std::vector<std::unique_ptr<Resident>> residents{};

  bool is_variable(std::uint64_t address) const;
  void check_global(const void* p, std::size_t bytes, const char* what, Site) const;
};

enum SpecialRegister {
  TidX,
  TidY,
  TidZ,
  NtidX,
  NtidY,
  NtidZ,
  CtaX,
  CtaY,
  CtaZ,
  NctaX,
  NctaY,
  NctaZ,
  LaneId,
  WarpId,
  NwarpId,
  ClusterRank,
  ClusterSize,
  LaneLt,
  LaneLe,
  LaneEq,
  LaneGe,
  LaneGt,
  SmId,
  SharedWindow,  // the CTA's rank << 24: where its shared addresses begin
  kSpecials
};

/// In Warp::in_flight: a register that tcgen05.ld has yet to deliver.
constexpr Clock kTensorLoad = ~Clock(0);

/// Generic addresses of local memory; the same for every thread.
constexpr std::int64_t kLocalWindow = std::int64_t(7) << 60;

/// Calls f(lane) for every lane of the mask; full warps run without tests, so that the loop can be vectorised.
template <class F>
inline void for_lanes(std::uint32_t mask, F f) {
  if (mask == ~0u) {
    for (int l = 0; l < 32; ++l) f(l);
    return;
  }
  for (int l = 0; l < 32; ++l)
    if (mask >> l & 1) f(l);
}

/// True once the instruction has taken effect for this warp; false while it waits for the rest of its warpgroup.
bool execute_warpgroup(Warp&, const Inst&);

/// True once the columns are allocated.
bool execute_tensor_alloc(Warp&, const Inst&, std::uint32_t lanes);

/// Runs one warp until nothing in it can proceed or `quantum` instructions are used up; true if anything was executed.
bool run_warp(Warp&, std::uint64_t quantum);

inline std::uint64_t sign_extend(std::uint64_t v, unsigned bytes, bool is_signed) {
  if (bytes == 8) return v;
  const std::uint64_t mask = (std::uint64_t(1) << bytes * 8) - 1;
  v &= mask;
  return is_signed && v >> (bytes * 8 - 1) ? v | ~mask : v;
}

}  // namespace simt::ptx
