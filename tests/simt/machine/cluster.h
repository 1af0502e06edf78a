// A cluster of CTAs: the cluster barrier, bulk loads in flight, and the race detector's clocks.
#pragma once
#include <random>

#include "tests/simt/machine/cta.h"
#include "tests/simt/machine/global_memory.h"
#include "tests/simt/machine/tensor_memory.h"

namespace simt {

struct BulkLoadOp {
  Cta* from;
  std::uint32_t dst, mbar;
  TensorMap map;
  std::int32_t coord[5];
  std::uint16_t mask;
  bool pair;  // cta_group::2: signals the CTA of the destination's pair whose rank has the parity of mbar's
  Clocks clk;
  Epoch self;
  Site site;
};

/// The CTA whose mbarrier a load into CTA `rank` signals.
inline unsigned signalled_rank(std::uint32_t mbar, bool pair, unsigned rank) {
  return pair ? (rank & ~1u) | (mbar >> 24 & 1) : rank;
}

class Cluster {
 public:
  /// `id` is the cluster's index in the grid.
  Cluster(const Options&, unsigned id, unsigned ctas, unsigned threads, unsigned smem_bytes, GlobalMemory&);
  Options opt;
  const unsigned id;
  GlobalMemory& global;
  std::vector<std::unique_ptr<Cta>> cta;
  std::unique_ptr<TensorCores> tensor;
  std::mt19937_64 rng;
  std::uint64_t bank_conflicts = 0;  // extra shared-memory wavefronts
  std::uint64_t version = 0;         // bumped whenever something that a blocked thread could wait for changed

  bool coin() { return rng() & 1; }
  std::size_t loads_in_flight() const { return loads_.size(); }
  void complete_load(std::size_t which);
  void finish();  // every thread has exited: nothing may be outstanding

  std::uint64_t cluster_arrive(unsigned agent);
  bool cluster_passed(std::uint64_t generation) const { return barrier_.generation > generation; }
  void cluster_acquire(unsigned agent);

  // --- race.cpp.  Agents: the threads, then one per thread for its cp.async, one for its bulk stores, one per
  // warpgroup for its wgmma, some slots for bulk loads in flight, and those of tcgen05.
  unsigned agent(const Cta& c, unsigned thread) const { return c.rank * threads_ + thread; }
  unsigned thread_count() const { return nthreads_; }
  unsigned cp_agent(unsigned a) const { return nthreads_ + a; }
  unsigned bulk_agent(unsigned a) const { return 2 * nthreads_ + a; }
  unsigned wgmma_agent(const Cta& c, unsigned wg) const { return 3 * nthreads_ + c.rank * wgs_ + wg; }
  Clocks& clocks(unsigned a) { return clocks_[a]; }
  Clocks snapshot(unsigned agent);  // for an asynchronous operation being issued
  void release(unsigned agent, Clocks& into);
  void acquire(unsigned agent, const Clocks& from);
  void access(Cta&, std::uint32_t addr, std::uint32_t bytes, bool is_write, bool async_proxy, Epoch self,
              const Clocks& view);
  void mark_atomic(Cta&, std::uint32_t addr, std::uint32_t bytes, Epoch self);
  std::string agent_name(unsigned) const;

  // --- global_access.cpp
  void global_read(unsigned agent, std::uint64_t addr, std::uint32_t bytes, Strength, Site);
  void global_write(unsigned agent, std::uint64_t addr, std::uint32_t bytes, Strength, Site);
  void global_atomic(unsigned agent, std::uint64_t addr, std::uint32_t bytes, Strength, Site);
  void global_fence(unsigned agent);  // of gpu scope or wider

 private:
  friend class Cta;
  bool checks_global() const { return opt.racecheck && opt.global_races; }
  void global_access(unsigned agent, std::uint64_t addr, std::uint32_t bytes, bool is_write, bool strong, Site);
  Published publish(unsigned agent);
  void subscribe(unsigned agent, const Published&);
  void acquire_location(unsigned agent, std::uint64_t addr, Strength);
  void release_location(unsigned agent, std::uint64_t addr, Strength);
  Epoch new_load_epoch(Site);
  void perform(BulkLoadOp&);

  unsigned threads_, nthreads_, wgs_, load_base_, load_slots_;
  std::vector<Clocks> clocks_;     // by thread
  std::vector<Clock> load_clock_;  // by slot
  std::vector<BulkLoadOp> loads_;
  NamedBarrier barrier_;
  unsigned next_slot_ = 0;
  std::vector<Published> fence_release_;    // by thread: what its last fence made ready to publish
  std::vector<Published> pending_acquire_;  // by thread: what strong reads saw, taken over by the next fence
};

/// Shared-window addresses as kernels see them: rank of the CTA << 24 | CTA-relative address.  (Kernels for pairs of
/// CTAs rely on it: they clear bit 24 to name the even CTA.)  Functions of Cta take relative addresses, but for
/// mbarriers that may be remote.
inline std::uint32_t mapa(std::uint32_t addr, unsigned rank) { return (addr & 0xffffff) | rank << 24; }

}  // namespace simt
