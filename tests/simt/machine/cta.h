// One CTA: its shared memory, barriers, asynchronous copies and wgmma.  It does not know how threads are run.
#pragma once
#include <deque>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "tests/simt/machine/arithmetic.h"
#include "tests/simt/machine/clocks.h"
#include "tests/simt/machine/tensor_map.h"

namespace simt {

class Cluster;

struct MBarrier {
  std::uint32_t count = 0, pending = 0;
  std::int64_t tx = 0;  // bytes announced less bytes delivered
  std::uint64_t phase = 0;
  Clocks current, completed;
  Site init_site = nullptr;
};

struct NamedBarrier {
  std::uint32_t expected = 0, arrived = 0;
  std::uint64_t generation = 0;
  Clocks current, completed;
};

/// One warpgroup's wgmma.mma_async: D (64 x n) (+)= A (64 x k) B (k x n).  Lanes are the 128 threads of the warpgroup.
struct Wgmma {
  MmaType a_type = MmaType::bf16, b_type = MmaType::bf16;  // of one size
  int n = 0;
  bool tnsp_a = false, tnsp_b = false, scale_d = false, a_in_regs = false;
  int neg_a = 1, neg_b = 1;              // 1 or -1
  std::uint64_t desc_a = 0, desc_b = 0;  // shared-memory matrix descriptors
  const std::uint32_t* a[128] = {};      // 4 registers each, when a_in_regs
  float* d[128] = {};                    // n / 2 accumulators each
  int k() const { return 32 / bytes(a_type); }
};

struct WgmmaOp {
  Wgmma w;
  Clocks clk;
  Site site;
};

class Cta {
 public:
  Cta(Cluster&, unsigned rank, unsigned threads, unsigned smem_bytes);
  ~Cta();
  Cta(const Cta&) = delete;
  Cta& operator=(const Cta&) = delete;

  Cluster& cluster;
  const unsigned rank, threads, smem_bytes;
  unsigned char* arena;  // arena + a is shared-window address a; its low 20 address bits are zero

  // --- memory.cpp: accesses by the generic proxy
  static constexpr std::uint32_t kArenaBytes = 1 << 20;
  bool in_arena(const void* p) const;
  void check_range(std::uint32_t addr, std::uint32_t bytes, const char* what, Site) const;
  void read(unsigned thread, std::uint32_t addr, std::uint32_t bytes, Site);
  void write(unsigned thread, std::uint32_t addr, std::uint32_t bytes, Site);
  void atomic(unsigned thread, std::uint32_t addr, std::uint32_t bytes, Site);
  /// Counts the extra wavefronts of one access per lane in `lanes`, each of `bytes` at addr[lane].
  void count_bank_conflicts(const std::uint32_t* addr, unsigned bytes, std::uint32_t lanes);

  // --- barriers.cpp
  void mbarrier_init(unsigned thread, std::uint32_t addr, std::uint32_t count, Site);
  void mbarrier_inval(unsigned thread, std::uint32_t addr, Site);
  /// `addr` is a cluster address (mapa).  Returns the phase that the arrival belongs to.
  std::uint64_t mbarrier_arrive(unsigned thread, std::uint32_t addr, std::uint32_t n, Site);
  void mbarrier_expect_tx(unsigned thread, std::uint32_t addr, std::uint32_t bytes, Site);
  bool mbarrier_test(unsigned thread, std::uint32_t addr, std::uint32_t parity, Site);  // acquires when true
  bool mbarrier_ready(std::uint32_t addr, std::uint32_t parity) const;
  const MBarrier* find_mbarrier(std::uint32_t addr) const;
  std::string describe_mbarrier(std::uint32_t addr) const;
  /// Returns the generation to wait for.
  std::uint64_t barrier_arrive(unsigned thread, unsigned id, unsigned count, Site);
  bool barrier_passed(unsigned id, std::uint64_t generation) const { return named_[id].generation > generation; }
  void barrier_acquire(unsigned thread, unsigned id);
  const NamedBarrier& named(unsigned id) const { return named_[id]; }
  void thread_exits(unsigned thread, Site);
  void syncwarp(const unsigned* threads, unsigned n);

  // --- matrix.cpp: 8x8 matrices of 16-bit elements
  void ldmatrix(unsigned warp, const std::uint32_t (&addr)[32], int n, bool trans, std::uint32_t (&out)[32][4], Site);
  void stmatrix(unsigned warp, const std::uint32_t (&addr)[32], int n, bool trans, const std::uint32_t (&in)[32][4],
                Site);

  // --- cp_async.cpp (Ampere)
  void cp_async(unsigned thread, std::uint32_t dst, const void* src, std::uint32_t bytes, std::uint32_t src_bytes,
                Site);
  void cp_async_commit(unsigned thread);
  void cp_async_wait(unsigned thread, unsigned pending_groups);
  void cp_async_wait_all(unsigned thread);  // uncommitted copies too

  // --- bulk_copy.cpp (Hopper)
  /// `mbar` is a cluster address: this CTA's, or of cta_group::2 (`pair`) either of its pair's.
  void bulk_load(unsigned thread, std::uint32_t dst, const TensorMap&, std::uint32_t mbar, const std::int32_t* coord,
                 std::uint16_t cta_mask, bool pair, Site);
  /// `adds`: to what is there, as numbers of the map's format.
  void bulk_store(unsigned thread, const TensorMap&, std::uint32_t src, const std::int32_t* coord, bool adds, Site);
  void bulk_commit(unsigned thread);
  /// `read`: only until shared memory has been read; what is written may then come as late as the thread's end.
  void bulk_wait(unsigned thread, unsigned pending_groups, bool read);
  /// What a thread that exits has left unwritten is written now.
  void finish_bulk_stores(unsigned thread);
  void fence_proxy_async(unsigned thread);

  // --- wgmma.cpp
  void wgmma_fence(unsigned wg);
  /// Results appear at once; shared memory counts as being read until wgmma_wait.
  void wgmma(unsigned wg, const Wgmma&, Site);
  Clock wgmma_group(unsigned wg) const { return wg_[wg].groups.committed + 1; }  // the group being built
  void wgmma_commit(unsigned wg);
  void wgmma_wait(unsigned wg, unsigned pending_groups);
  /// setmaxnreg; false while not enough registers are free.
  bool setmaxnreg(unsigned wg, unsigned regs, Site);

 private:
  friend class Cluster;
  friend class TensorCores;
  struct CpOp {
    std::uint32_t dst;
    const void* src;
    std::uint32_t bytes, src_bytes;
    Clocks clk;
    Site site;
    bool done;
  };
  struct BulkOp {
    TensorMap map;
    std::uint32_t src;
    std::int32_t coord[5];
    bool adds;
    Clocks clk;
    Site site;
    bool done, written = false;
    std::vector<unsigned char> data{};  // what was read
  };
  template <class Op>
  struct Groups {
    std::vector<Op> open;
    std::deque<std::vector<Op>> closed;
    Clock committed = 0;
  };
  struct BulkGroups : Groups<BulkOp> {
    std::deque<std::vector<BulkOp>> unwritten;  // older than all that are closed
  };
  struct WgState {
    Groups<WgmmaOp> groups;
    bool fenced = false;
    unsigned regs = 0;
  };

  void generic_access(unsigned thread, std::uint32_t addr, std::uint32_t bytes, bool is_write, Site);
  MBarrier& mbarrier(std::uint32_t addr, unsigned thread, Site, const char* op);
  void maybe_complete(MBarrier&);
  void release_barrier(NamedBarrier&);
  void check_nothing_outstanding(unsigned thread) const;
  /// After the last exit: every signal must have come before it, or shared memory may be another CTA's by then.
  void check_signals() const;
  void check_signalled_barriers(std::uint32_t mbar, std::uint16_t mask, bool pair, const Clocks&, Site) const;
  void perform(unsigned thread, CpOp&);
  void read_shared(unsigned thread, BulkOp&);
  void write_global(BulkOp&);
  void order_wgmma(unsigned wg, WgmmaOp&);
  void perform(unsigned wg, const WgmmaOp&);
  /// One operand from shared memory, as [extent][k].
  void gather(unsigned wg, std::uint64_t desc, MmaType, bool mn_major, int extent, float sign, float* out,
              const WgmmaOp&, const char* which);

  unsigned alive_;
  std::unordered_map<std::uint32_t, MBarrier> mbars_;
  NamedBarrier named_[16];
  std::vector<Groups<CpOp>> cp_;  // by thread
  std::vector<BulkGroups> bulk_;  // by thread
  std::vector<WgState> wg_;
  // Arrivals that others than its own threads made at its barriers (other CTAs' threads, tcgen05.commit), the last of
  // each; and what its threads knew of when they exited.  See check_signals.
  std::map<std::uint32_t, Epoch> signals_;
  std::vector<Clock> exits_;
  unsigned free_regs_ = 0;
  std::vector<Cell> shadow_;
};

}  // namespace simt
