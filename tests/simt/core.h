// simt core: the CPU model of one thread-block cluster -- shared memory, mbarriers, named barriers,
// asynchronous copies, wgmma, and a happens-before race detector.  It knows nothing about how threads
// are run; a front-end (fibers over host C++, or a PTX interpreter) drives it.
#pragma once
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

namespace simt {

struct Dim3 {
  unsigned x = 1, y = 1, z = 1;
  unsigned count() const { return x * y * z; }
};

class DeviceHeap;

enum class Fault { Deadlock, Race, ProxyFence, OutOfBounds, Uninitialised, Barrier, Descriptor, Divergence,
                   Misaligned, Async, Registers, Unsupported };
const char* name(Fault);

struct Error : std::runtime_error {
  Fault fault;
  Error(Fault f, const std::string& s) : std::runtime_error(std::string(name(f)) + ": " + s), fault(f) {}
};
std::string format(const char* fmt, ...) __attribute__((format(printf, 1, 2)));

/// When asynchronous work (cp.async, bulk tensor copies, wgmma) takes effect.
///  Eager: at issue -- exposes buffers refilled or released too early (write-after-read).
///  Lazy:  only when something waits for it -- exposes missing waits (read-before-ready).
///  Random: a seeded mixture of both.
enum class Async { Eager, Lazy, Random };

struct Options {
  Async async = Async::Lazy;
  uint64_t seed = 1;
  bool racecheck = true;         // happens-before checking of every shared-memory access that is visible
  bool shuffle_schedule = false; // randomise warp and lane order
  unsigned regs_per_thread = 0;  // for setmaxnreg; 0: 65536/threads rounded down to 8
  unsigned smem_base = 1024;     // shared-window address of the first dynamic shared byte
  const DeviceHeap* heap = nullptr;  // bounds of global accesses are checked against its live allocations
};

/// Where an operation was issued: a PTX instruction and the source line it came from.
struct SourceSite {
  std::string text, loc;
};
using Site = const SourceSite*;
std::string symbolise(Site);

// ---------------------------------------------------------------- vector clocks
using Clock = uint32_t;
struct Clocks {                 // `seen`: happens-before; `proxy`: ... and made visible to the async proxy
  std::vector<Clock> seen, proxy;
  void resize(size_t n) { seen.assign(n, 0), proxy.assign(n, 0); }
  void join(const Clocks& o);
  bool empty() const { return seen.empty(); }
};
void join(std::vector<Clock>& into, const std::vector<Clock>& from);

struct Epoch { uint32_t agent = 0; Clock clock = 0; Site site = nullptr; };
struct Cell {                   // shadow of one 2-byte granule of shared memory
  Epoch write;
  Epoch read[2];
  bool async_write = false;
};

// ---------------------------------------------------------------- barriers
struct MBarrier {
  uint32_t count = 0, pending = 0;
  int64_t tx = 0;
  uint64_t phase = 0;
  Clocks current, completed;
  Site init_site = nullptr;
};
struct NamedBarrier {
  uint32_t expected = 0, arrived = 0;
  uint64_t generation = 0;
  Clocks current, completed;
};

// ---------------------------------------------------------------- tensor maps (subset of cuTensorMapEncodeTiled)
enum class Swizzle : uint32_t { None = 0, B32 = 1, B64 = 2, B128 = 3 };
struct TensorMap {
  unsigned char* base = nullptr;
  uint32_t rank = 0, elem_bytes = 0;
  uint64_t dim[5] = {1, 1, 1, 1, 1};
  uint64_t stride[5] = {0, 0, 0, 0, 0};   // bytes; stride[0] == elem_bytes
  uint32_t box[5] = {1, 1, 1, 1, 1};
  Swizzle swizzle = Swizzle::None;
  uint32_t box_bytes() const;
};
/// Applies the driver's documented constraints; throws Error on violation.
TensorMap encode_tiled(void* base, uint32_t rank, uint32_t elem_bytes, const uint64_t* dim,
                       const uint64_t* outer_stride_bytes, const uint32_t* box, Swizzle);
uint32_t swizzle_address(uint32_t addr, Swizzle);

// ---------------------------------------------------------------- the machine
class Cluster;
struct WgmmaOp;

class Cta {
 public:
  Cta(Cluster&, unsigned rank, unsigned threads, unsigned smem_bytes);
  Cluster& cluster;
  const unsigned rank, threads, smem_bytes;
  unsigned char* arena;                       // arena + a is shared-window address a
  Dim3 block_idx;

  // --- plain shared-memory accesses (generic proxy)
  void check_range(uint32_t addr, uint32_t bytes, const char* what, Site) const;
  void read(unsigned thread, uint32_t addr, uint32_t bytes, Site);
  void write(unsigned thread, uint32_t addr, uint32_t bytes, Site);

  // --- mbarrier
  void mbarrier_init(unsigned thread, uint32_t addr, uint32_t count, Site);
  void mbarrier_inval(unsigned thread, uint32_t addr, Site);
  void mbarrier_arrive(unsigned thread, uint32_t addr, uint32_t n, Site);          // addr may be a cluster address
  void mbarrier_expect_tx(unsigned thread, uint32_t addr, uint32_t bytes, Site);
  bool mbarrier_test(unsigned thread, uint32_t addr, uint32_t parity, Site);       // acquires when true
  bool mbarrier_ready(uint32_t addr, uint32_t parity) const;
  const MBarrier* find_mbarrier(uint32_t addr) const;

  // --- named barriers; returns the generation to wait for
  uint64_t barrier_arrive(unsigned thread, unsigned id, unsigned count, Site);
  bool barrier_passed(unsigned id, uint64_t generation) const { return named_[id].generation > generation; }
  void barrier_acquire(unsigned thread, unsigned id);
  const NamedBarrier& named(unsigned id) const { return named_[id]; }
  void thread_exits(unsigned thread, Site);

  // --- warp-level
  void syncwarp(const unsigned* threads, unsigned n);
  void ldmatrix(unsigned warp, const uint32_t (&addr)[32], int n, bool trans, uint32_t (&out)[32][4], Site);
  void stmatrix(unsigned warp, const uint32_t (&addr)[32], int n, bool trans, const uint32_t (&in)[32][4], Site);

  // --- cp.async (Ampere)
  void cp_async(unsigned thread, uint32_t dst, const void* src, uint32_t bytes, uint32_t src_bytes, Site);
  void cp_async_commit(unsigned thread);
  void cp_async_wait(unsigned thread, unsigned pending_groups);

  // --- bulk tensor copies (Hopper)
  void tma_load(unsigned thread, uint32_t dst, const TensorMap&, uint32_t mbar, const int32_t* coord, uint16_t cta_mask, Site);
  void tma_store(unsigned thread, const TensorMap&, uint32_t src, const int32_t* coord, Site);
  void bulk_commit(unsigned thread);
  void bulk_wait(unsigned thread, unsigned pending_groups, bool read_only);
  void fence_proxy_async(unsigned thread);

  // --- wgmma: lanes are the 128 threads of warpgroup `wg`
  struct Wgmma {
    int n; bool tnsp_a, tnsp_b, scale_d, a_in_regs; int neg_a = 1, neg_b = 1;
    uint64_t desc_a, desc_b;
    const uint32_t* a[128];   // 4 registers each, when a_in_regs
    float* d[128];            // n/2 accumulators each; must stay alive until waited for
  };
  void wgmma_fence(unsigned wg);
  void wgmma(unsigned wg, const Wgmma&, Site);      // results appear at wgmma_wait, NaN until then
  void wgmma_now(unsigned wg, const Wgmma&, Site);  // results appear at once; shared memory counts as read until wgmma_wait
  Clock wgmma_group(unsigned wg) const { return wg_[wg].groups.committed + 1; }   // index of the group being built
  void wgmma_commit(unsigned wg);
  void wgmma_wait(unsigned wg, unsigned pending_groups, Site);

  // --- setmaxnreg: false means "not enough registers free yet"
  bool setmaxnreg(unsigned wg, unsigned regs, Site);

  std::string describe_mbarrier(uint32_t addr) const;
  unsigned warp_alive(unsigned warp) const { return warp_alive_[warp]; }

 private:
  friend class Cluster;
  struct CpOp { uint32_t dst; const void* src; uint32_t bytes, src_bytes; Clocks clk; Site site; bool done; };
  struct BulkOp { TensorMap map; uint32_t src; int32_t coord[5]; Clocks clk; Site site; bool done; };
  template <class Op> struct Groups { std::vector<Op> open; std::deque<std::vector<Op>> closed; Clock committed = 0; };
  struct Chain { int n; std::vector<float> acc; std::vector<float*> d; unsigned uses = 0; };
  struct WgState { Groups<WgmmaOp> groups; std::vector<std::shared_ptr<Chain>> live; bool fenced = false; unsigned regs = 0; };

  void count_bank_conflicts(const uint32_t* rows);
  MBarrier& mbarrier(uint32_t addr, unsigned thread, Site, const char* op);
  void arrive_on(MBarrier&, uint32_t addr, uint32_t n, Site);
  void maybe_complete(MBarrier&);
  void release_barrier(NamedBarrier&);
  void perform(unsigned thread, CpOp&);
  void perform(unsigned thread, BulkOp&);
  void perform(unsigned wg, WgmmaOp&);
  WgmmaOp issue(unsigned wg, const Wgmma&, Site);
  void gather(unsigned wg, uint64_t desc, bool mn_major, int extent, float sign, float* out, const WgmmaOp&, const char* which);

  std::vector<unsigned> warp_alive_;
  unsigned alive_;
  std::unordered_map<uint32_t, MBarrier> mbars_;
  NamedBarrier named_[16];
  std::vector<Groups<CpOp>> cp_;
  std::vector<Groups<BulkOp>> bulk_;
  std::vector<WgState> wg_;
  unsigned free_regs_ = 0;
  std::vector<Cell> shadow_;
};

struct WgmmaOp {
  Cta::Wgmma w; std::vector<uint32_t> a; std::shared_ptr<void> chain; Clocks clk; Site site; bool done;
};

struct TmaLoadOp {
  Cta* from; uint32_t dst, mbar; TensorMap map; int32_t coord[5]; uint16_t mask; Clocks clk; Epoch self; Site site;
};

class Cluster {
 public:
  Cluster(const Options&, unsigned ctas, unsigned threads, unsigned smem_bytes);
  ~Cluster();
  Options opt;
  std::vector<std::unique_ptr<Cta>> cta;
  std::mt19937_64 rng;
  uint64_t bank_conflicts = 0;    // extra shared-memory cycles of ldmatrix and stmatrix
  uint64_t version = 0;           // bumped whenever something a blocked thread could wait for changed

  bool coin() { return rng() & 1; }
  bool has_async() const { return !loads_.empty(); }
  void step_async(size_t which);  // completes one outstanding bulk load
  size_t async_count() const { return loads_.size(); }
  void finish();                  // every thread has exited: nothing may be outstanding

  // cluster barrier
  uint64_t cluster_arrive(unsigned agent);
  bool cluster_passed(uint64_t gen) const { return cbar_.generation > gen; }
  void cluster_acquire(unsigned agent);

  // race detector
  unsigned agent(const Cta& c, unsigned thread) const { return c.rank * threads_ + thread; }
  unsigned cp_twin(unsigned a) const { return nthreads_ + a; }
  unsigned bulk_twin(unsigned a) const { return 2 * nthreads_ + a; }
  unsigned wg_twin(const Cta& c, unsigned wg) const { return 3 * nthreads_ + c.rank * wgs_ + wg; }
  Clocks& clocks(unsigned a) { return clk_[a]; }
  Clocks snapshot(unsigned agent);               // for an asynchronous operation being issued
  void release(unsigned agent, Clocks& into);
  void acquire(unsigned agent, const Clocks& from);
  void access(Cta&, uint32_t addr, uint32_t bytes, bool is_write, bool async_proxy, Epoch self, const Clocks& view);
  std::string agent_name(unsigned) const;

 private:
  friend class Cta;
  unsigned threads_, nthreads_, wgs_, nagents_, tma_base_, tma_slots_;
  std::vector<Clocks> clk_;
  std::vector<Clock> twin_clock_;                // current clock of each asynchronous agent
  std::vector<TmaLoadOp> loads_;
  NamedBarrier cbar_;
  unsigned next_slot_ = 0;
  void perform(TmaLoadOp&);
};

// shared::cluster addresses: (rank + 1) << 24 | cta-relative address
inline uint32_t mapa(uint32_t addr, unsigned rank) { return (addr & 0xffffff) | (rank + 1) << 24; }

// ---------------------------------------------------------------- pure arithmetic
inline float bf16_to_f32(uint16_t h) { uint32_t u = uint32_t(h) << 16; float f; std::memcpy(&f, &u, 4); return f; }
inline uint16_t f32_to_bf16(float f) {
  uint32_t u; std::memcpy(&u, &f, 4);
  if ((u & 0x7fffffff) > 0x7f800000) return 0x7fff;
  return uint16_t((u + 0x7fff + (u >> 16 & 1)) >> 16);
}
float f16_to_f32(uint16_t);
uint16_t f32_to_f16(float);
/// mma.sync of shape m16n8kK with fp32 accumulators: fragments per lane as the PTX ISA documents them.
enum class MmaType { bf16, f16, tf32 };
struct MmaShape {
  MmaType type;
  int k;                                                    // 8 or 16; tf32: 4 or 8
  int per_register() const { return type == MmaType::tf32 ? 1 : 2; }
  int a_registers() const { return 16 * k / 32 / per_register(); }
  int b_registers() const { return 8 * k / 32 / per_register(); }
};
/// a: a_registers() values per lane, b: b_registers(), c and d: 4.
void mma_m16n8(MmaShape, const uint32_t (*a)[4], const uint32_t (*b)[2], const float (*c)[4], float (*d)[4]);

}  // namespace simt
