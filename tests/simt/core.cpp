#include "tests/simt/core.h"

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>

namespace simt {

std::string symbolise(Site s) {
  if (!s) return "?";
  return s->loc.empty() ? "'" + s->text.substr(0, 60) + "'" : s->loc;
}

const char* name(Fault f) {
  static const char* n[] = {"deadlock", "data race", "missing proxy fence", "out of bounds", "uninitialised shared memory",
                            "barrier misuse", "bad descriptor", "divergence", "misaligned address", "asynchronous operation",
                            "register pool", "unsupported"};
  return n[int(f)];
}

std::string format(const char* fmt, ...) {
  va_list ap; va_start(ap, fmt);
  char buf[2048]; vsnprintf(buf, sizeof buf, fmt, ap);
  va_end(ap);
  return buf;
}

// ------------------------------------------------------------------ vector clocks
void join(std::vector<Clock>& into, const std::vector<Clock>& from) {
  if (into.empty()) { into = from; return; }
  Clock* a = into.data(); const Clock* b = from.data();
  for (size_t i = 0, n = from.size(); i < n; ++i) a[i] = std::max(a[i], b[i]);
}
void Clocks::join(const Clocks& o) { simt::join(seen, o.seen), simt::join(proxy, o.proxy); }

Clocks Cluster::snapshot(unsigned a) {
  if (!opt.racecheck) return {};
  Clocks c = clk_[a];
  ++clk_[a].seen[a];            // what this thread does next is not ordered before the operation
  return c;
}
void Cluster::release(unsigned a, Clocks& into) {
  if (!opt.racecheck) return;
  into.join(clk_[a]);
  ++clk_[a].seen[a];
}
void Cluster::acquire(unsigned a, const Clocks& from) {
  if (!opt.racecheck || from.empty()) return;
  clk_[a].join(from);
}

std::string Cluster::agent_name(unsigned a) const {
  auto thread = [&](unsigned t) {
    unsigned c = t / threads_, i = t % threads_;
    std::string s = format("warp %u lane %u", i / 32, i % 32);
    return cta.size() > 1 ? format("cta %u ", c) + s : s;
  };
  if (a < nthreads_) return thread(a);
  if (a < 2 * nthreads_) return "cp.async of " + thread(a - nthreads_);
  if (a < 3 * nthreads_) return "bulk store of " + thread(a - 2 * nthreads_);
  if (a < tma_base_) return format("wgmma of warpgroup %u", (a - 3 * nthreads_) % wgs_);
  return "bulk tensor load";
}

void Cluster::access(Cta& c, uint32_t addr, uint32_t bytes, bool is_write, bool async_proxy, Epoch self, const Clocks& view) {
  if (!opt.racecheck) return;
  auto race = [&](const Epoch& other, const char* what, uint32_t a) {
    throw Error(Fault::Race, format("shared address 0x%x (dynamic + 0x%x)\n  %s by %s at %s\n  is not ordered after the %s by %s at %s",
        a, a - opt.smem_base, is_write ? "write" : "read", agent_name(self.agent).c_str(), symbolise(self.site).c_str(),
        what, agent_name(other.agent).c_str(), symbolise(other.site).c_str()));
  };
  auto ordered = [&](const Epoch& e) { return e.agent == self.agent || e.clock <= view.seen[e.agent]; };
  for (uint32_t a = addr & ~1u; a < addr + bytes; a += 2) {
    Cell& cell = c.shadow_[a / 2];
    if (cell.write.clock) {
      if (!ordered(cell.write)) race(cell.write, "write", a);
      if (async_proxy && !cell.async_write && view.proxy[cell.write.agent] < cell.write.clock)
        throw Error(Fault::ProxyFence, format("shared address 0x%x (dynamic + 0x%x)\n  asynchronous %s by %s at %s\n"
            "  follows the generic-proxy write by %s at %s with no fence.proxy.async in between", a, a - opt.smem_base,
            is_write ? "write" : "read", agent_name(self.agent).c_str(), symbolise(self.site).c_str(),
            agent_name(cell.write.agent).c_str(), symbolise(cell.write.site).c_str()));
    } else if (!is_write) {
      throw Error(Fault::Uninitialised, format("shared address 0x%x (dynamic + 0x%x) read by %s at %s", a, a - opt.smem_base,
          agent_name(self.agent).c_str(), symbolise(self.site).c_str()));
    }
    if (is_write) {
      for (auto& r : cell.read) if (r.clock && !ordered(r)) race(r, "read", a);
      cell.write = self, cell.async_write = async_proxy;
      cell.read[0] = cell.read[1] = {};
    } else {
      Epoch* slot = nullptr;
      for (auto& r : cell.read) if (!r.clock || r.agent == self.agent || ordered(r)) { slot = &r; break; }
      *(slot ? slot : &cell.read[rng() & 1]) = self;
    }
  }
}

// ------------------------------------------------------------------ cluster
Cluster::Cluster(const Options& o, unsigned ctas, unsigned threads, unsigned smem_bytes)
    : opt(o), rng(o.seed), threads_(threads), nthreads_(ctas * threads), wgs_((threads + 127) / 128) {
  tma_base_ = 3 * nthreads_ + ctas * wgs_;
  tma_slots_ = 64 * ctas;
  nagents_ = tma_base_ + tma_slots_;
  twin_clock_.assign(nagents_, 0);
  if (opt.racecheck) {
    clk_.resize(nthreads_);
    for (unsigned a = 0; a < nthreads_; ++a) clk_[a].resize(nagents_), clk_[a].seen[a] = 1;
  }
  for (unsigned r = 0; r < ctas; ++r) cta.push_back(std::make_unique<Cta>(*this, r, threads, smem_bytes));
}
Cluster::~Cluster() { for (auto& c : cta) munmap(c->arena, 1 << 20); }

Cta::Cta(Cluster& cl, unsigned rank_, unsigned threads_, unsigned bytes)
    : cluster(cl), rank(rank_), threads(threads_), smem_bytes(bytes) {
  // Low address bits of host pointers equal those of shared-window addresses, so alignment checks carry over.
  void* p = mmap(nullptr, 2 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) throw std::bad_alloc();
  auto u = uintptr_t(p), al = (u + (1 << 20) - 1) & ~uintptr_t((1 << 20) - 1);
  if (al > u) munmap(p, al - u);
  if (u + (2 << 20) > al + (1 << 20)) munmap((void*)(al + (1 << 20)), u + (2 << 20) - al - (1 << 20));
  arena = (unsigned char*)al;
  if (bytes + cl.opt.smem_base > (1u << 18)) throw Error(Fault::OutOfBounds, format("%u bytes of dynamic shared memory", bytes));
  std::memset(arena + cl.opt.smem_base, 0xff, bytes);          // NaN in every floating-point type
  alive_ = threads;
  warp_alive_.assign((threads + 31) / 32, 32);
  cp_.resize(threads), bulk_.resize(threads), wg_.resize((threads + 127) / 128);
  unsigned regs = cl.opt.regs_per_thread ? cl.opt.regs_per_thread : std::min(255u, 65536 / threads / 8 * 8);
  for (auto& w : wg_) w.regs = regs;
  if (cl.opt.racecheck) shadow_.resize((cl.opt.smem_base + bytes + 1) / 2 + 8);
}

void Cluster::step_async(size_t which) {
  TmaLoadOp op = std::move(loads_[which]);
  loads_.erase(loads_.begin() + which);
  perform(op);
}

void Cluster::finish() {
  if (!loads_.empty())
    throw Error(Fault::Async, format("kernel exited with %zu bulk tensor load(s) outstanding, first issued at %s", loads_.size(),
                                     symbolise(loads_[0].site).c_str()));
}

uint64_t Cluster::cluster_arrive(unsigned a) {
  release(a, cbar_.current);
  uint64_t g = cbar_.generation;
  if (++cbar_.arrived == nthreads_) cbar_.arrived = 0, ++cbar_.generation, cbar_.completed.join(cbar_.current), ++version;
  return g;
}
void Cluster::cluster_acquire(unsigned a) { acquire(a, cbar_.completed); }

// ------------------------------------------------------------------ generic accesses
void Cta::check_range(uint32_t addr, uint32_t bytes, const char* what, Site s) const {
  uint32_t lo = cluster.opt.smem_base, hi = lo + smem_bytes;
  if (addr < lo || addr + bytes > hi)
    throw Error(Fault::OutOfBounds, format("%s of %u bytes at shared address 0x%x, dynamic shared memory is [0x%x,0x%x), at %s", what, bytes,
                                           addr, lo, hi, symbolise(s).c_str()));
}
void Cta::read(unsigned t, uint32_t addr, uint32_t bytes, Site s) {
  check_range(addr, bytes, "read", s);
  if (!cluster.opt.racecheck) return;
  unsigned a = cluster.agent(*this, t);
  Clocks& k = cluster.clocks(a);
  cluster.access(*this, addr, bytes, false, false, {a, k.seen[a], s}, k);
}
void Cta::write(unsigned t, uint32_t addr, uint32_t bytes, Site s) {
  check_range(addr, bytes, "write", s);
  if (!cluster.opt.racecheck) return;
  unsigned a = cluster.agent(*this, t);
  Clocks& k = cluster.clocks(a);
  cluster.access(*this, addr, bytes, true, false, {a, k.seen[a], s}, k);
}

// ------------------------------------------------------------------ mbarrier
void Cta::mbarrier_init(unsigned t, uint32_t addr, uint32_t count, Site s) {
  if (addr % 8) throw Error(Fault::Misaligned, format("mbarrier at 0x%x", addr));
  if (count == 0 || count >= 1u << 20) throw Error(Fault::Barrier, format("mbarrier.init with count %u", count));
  if (mbars_.count(addr)) throw Error(Fault::Barrier, format("mbarrier.init of a live mbarrier at 0x%x, %s", addr, symbolise(s).c_str()));
  write(t, addr, 8, s);
  MBarrier b; b.count = b.pending = count; b.init_site = s;
  mbars_[addr] = b;
}
void Cta::mbarrier_inval(unsigned t, uint32_t addr, Site s) { mbarrier(addr, t, s, "inval"); mbars_.erase(addr); write(t, addr, 8, s); }

const MBarrier* Cta::find_mbarrier(uint32_t addr) const {
  const Cta* c = this;
  if (addr >> 24) c = cluster.cta.at((addr >> 24) - 1).get(), addr &= 0xffffff;
  auto it = c->mbars_.find(addr);
  return it == c->mbars_.end() ? nullptr : &it->second;
}
MBarrier& Cta::mbarrier(uint32_t addr, unsigned t, Site s, const char* op) {
  Cta* c = this;
  if (addr >> 24) c = cluster.cta.at((addr >> 24) - 1).get(), addr &= 0xffffff;
  auto it = c->mbars_.find(addr);
  if (it == c->mbars_.end())
    throw Error(Fault::Barrier, format("mbarrier.%s on 0x%x, which is not an initialised mbarrier, at %s", op, addr, symbolise(s).c_str()));
  if (cluster.opt.racecheck) {        // its initialisation must happen before any use
    unsigned a = cluster.agent(*this, t);
    const Epoch& w = c->shadow_[addr / 2].write;
    if (w.site != it->second.init_site) throw Error(Fault::Barrier, format("mbarrier at 0x%x was overwritten at %s", addr, symbolise(w.site).c_str()));
    if (w.agent != a && cluster.clocks(a).seen[w.agent] < w.clock)
      throw Error(Fault::Race, format("mbarrier.%s on 0x%x by %s at %s is not ordered after its initialisation at %s", op, addr,
                                      cluster.agent_name(a).c_str(), symbolise(s).c_str(), symbolise(w.site).c_str()));
  }
  return it->second;
}
void Cta::maybe_complete(MBarrier& b) {
  if (b.pending || b.tx) return;
  ++b.phase, b.pending = b.count, ++cluster.version;
  if (cluster.opt.racecheck) b.completed.join(b.current);
}
void Cta::arrive_on(MBarrier& b, uint32_t addr, uint32_t n, Site s) {
  if (n > b.pending)
    throw Error(Fault::Barrier, format("mbarrier 0x%x: %u arrival(s) but only %u pending in phase %llu (count %u), at %s", addr, n, b.pending,
                                       (unsigned long long)b.phase, b.count, symbolise(s).c_str()));
  b.pending -= n;
  maybe_complete(b);
}
void Cta::mbarrier_arrive(unsigned t, uint32_t addr, uint32_t n, Site s) {
  MBarrier& b = mbarrier(addr, t, s, "arrive");
  cluster.release(cluster.agent(*this, t), b.current);
  arrive_on(b, addr, n, s);
}
void Cta::mbarrier_expect_tx(unsigned t, uint32_t addr, uint32_t bytes, Site s) {
  MBarrier& b = mbarrier(addr, t, s, "expect_tx");
  b.tx += bytes;
  if (b.tx >= 1 << 20) throw Error(Fault::Barrier, format("mbarrier 0x%x: tx-count %lld exceeds 2^20-1", addr, (long long)b.tx));
}
bool Cta::mbarrier_ready(uint32_t addr, uint32_t parity) const {
  const MBarrier* b = find_mbarrier(addr);
  return b && (b->phase & 1) != parity;
}
bool Cta::mbarrier_test(unsigned t, uint32_t addr, uint32_t parity, Site s) {
  if (parity > 1) throw Error(Fault::Barrier, format("mbarrier parity %u, at %s", parity, symbolise(s).c_str()));
  if (addr >> 24) throw Error(Fault::Barrier, "waiting on a remote mbarrier");
  MBarrier& b = mbarrier(addr, t, s, "wait");
  if ((b.phase & 1) == parity) return false;
  cluster.acquire(cluster.agent(*this, t), b.completed);
  return true;
}
std::string Cta::describe_mbarrier(uint32_t addr) const {
  const MBarrier* b = find_mbarrier(addr);
  if (!b) return format("mbarrier 0x%x (not initialised)", addr);
  return format("mbarrier 0x%x (dynamic + 0x%x): phase %llu (parity %llu), %u of %u arrivals pending, tx-count %lld", addr, addr - cluster.opt.smem_base,
                (unsigned long long)b->phase, (unsigned long long)(b->phase & 1), b->pending, b->count, (long long)b->tx);
}

// ------------------------------------------------------------------ named barriers, warp sync, exit
uint64_t Cta::barrier_arrive(unsigned t, unsigned id, unsigned count, Site s) {
  if (id > 15) throw Error(Fault::Barrier, format("barrier id %u", id));
  if (count % 32) throw Error(Fault::Barrier, format("barrier %u with %u threads, not a multiple of the warp size", id, count));
  NamedBarrier& b = named_[id];
  if (b.arrived == 0) b.expected = count;
  else if (b.expected != count) throw Error(Fault::Barrier, format("barrier %u used with %u and %u threads at once, at %s", id, b.expected, count, symbolise(s).c_str()));
  cluster.release(cluster.agent(*this, t), b.current);
  uint64_t g = b.generation;
  if (++b.arrived == (count ? count : alive_)) release_barrier(b);
  return g;
}
void Cta::release_barrier(NamedBarrier& b) {
  b.arrived = 0, ++b.generation, ++cluster.version;
  if (cluster.opt.racecheck) b.completed.join(b.current);
}
void Cta::barrier_acquire(unsigned t, unsigned id) { cluster.acquire(cluster.agent(*this, t), named_[id].completed); }

void Cta::thread_exits(unsigned t, Site) {
  for (auto& g : bulk_[t].closed) for (auto& o : g)
    throw Error(Fault::Async, "thread exited before its bulk store (" + symbolise(o.site) + ") had read shared memory: no cp.async.bulk.wait_group");
  if (!bulk_[t].open.empty()) throw Error(Fault::Async, "thread exited with an uncommitted bulk store, " + symbolise(bulk_[t].open[0].site));
  bool cp = !cp_[t].open.empty();
  for (auto& g : cp_[t].closed) cp |= !g.empty();
  if (cp) throw Error(Fault::Async, "thread exited with cp.async outstanding");
  auto& w = wg_[t / 128];
  if (!w.groups.open.empty() || !w.groups.closed.empty()) throw Error(Fault::Async, "thread exited with wgmma outstanding");
  --alive_, --warp_alive_[t / 32], ++cluster.version;
  NamedBarrier& b = named_[0];
  if (b.arrived && !b.expected && b.arrived == alive_) release_barrier(b);
}

void Cta::syncwarp(const unsigned* th, unsigned n) {
  if (!cluster.opt.racecheck) return;
  Clocks all;
  for (unsigned i = 0; i < n; ++i) cluster.release(cluster.agent(*this, th[i]), all);
  for (unsigned i = 0; i < n; ++i) cluster.acquire(cluster.agent(*this, th[i]), all);
}

// ------------------------------------------------------------------ ldmatrix / stmatrix (m8n8, b16)
void Cta::count_bank_conflicts(const uint32_t* rows) {     // 8 rows of 16 bytes, one pass if they cover all 32 banks
  unsigned hits[8] = {}, worst = 0;
  for (int r = 0; r < 8; ++r) {
    bool repeated = false;
    for (int q = 0; q < r; ++q) repeated |= rows[q] == rows[r];
    if (!repeated) worst = std::max(worst, ++hits[rows[r] / 16 % 8]);
  }
  cluster.bank_conflicts += worst - 1;
}
void Cta::ldmatrix(unsigned warp, const uint32_t (&addr)[32], int n, bool trans, uint32_t (&out)[32][4], Site s) {
  uint16_t m[4][8][8];
  for (int i = 0; i < n; ++i) count_bank_conflicts(addr + i * 8);
  for (int i = 0; i < n; ++i)
    for (int r = 0; r < 8; ++r) {
      uint32_t a = addr[i * 8 + r];
      if (a % 16) throw Error(Fault::Misaligned, format("ldmatrix row address 0x%x, lane %d, at %s", a, i * 8 + r, symbolise(s).c_str()));
      read(warp * 32 + i * 8 + r, a, 16, s);
      std::memcpy(m[i][r], arena + a, 16);
    }
  for (int l = 0; l < 32; ++l)
    for (int i = 0; i < n; ++i) {
      int r = l / 4, c = l % 4 * 2;
      out[l][i] = trans ? m[i][c][r] | uint32_t(m[i][c + 1][r]) << 16 : m[i][r][c] | uint32_t(m[i][r][c + 1]) << 16;
    }
}
void Cta::stmatrix(unsigned warp, const uint32_t (&addr)[32], int n, bool trans, const uint32_t (&in)[32][4], Site s) {
  for (int i = 0; i < n; ++i) {
    uint16_t m[8][8];
    for (int l = 0; l < 32; ++l)
      for (int h = 0; h < 2; ++h) {
        uint16_t v = in[l][i] >> 16 * h;
        trans ? m[l % 4 * 2 + h][l / 4] = v : m[l / 4][l % 4 * 2 + h] = v;
      }
    count_bank_conflicts(addr + i * 8);
    for (int r = 0; r < 8; ++r) {
      uint32_t a = addr[i * 8 + r];
      if (a % 16) throw Error(Fault::Misaligned, format("stmatrix row address 0x%x, lane %d, at %s", a, i * 8 + r, symbolise(s).c_str()));
      write(warp * 32 + i * 8 + r, a, 16, s);
      std::memcpy(arena + a, m[r], 16);
    }
  }
}

// ------------------------------------------------------------------ cp.async
void Cta::cp_async(unsigned t, uint32_t dst, const void* src, uint32_t bytes, uint32_t src_bytes, Site s) {
  if (dst % bytes || uintptr_t(src) % bytes) throw Error(Fault::Misaligned, format("cp.async %p -> 0x%x, %u bytes, at %s", src, dst, bytes, symbolise(s).c_str()));
  if (src_bytes > bytes) throw Error(Fault::Async, "cp.async with src-size > cp-size");
  check_range(dst, bytes, "cp.async write", s);
  CpOp op{dst, src, bytes, src_bytes, cluster.snapshot(cluster.agent(*this, t)), s, false};
  Async a = cluster.opt.async;
  if (a == Async::Eager || (a == Async::Random && cluster.coin())) perform(t, op);
  cp_[t].open.push_back(std::move(op));
}
void Cta::perform(unsigned t, CpOp& op) {
  if (op.done) return;
  op.done = true;
  unsigned a = cluster.agent(*this, t), twin = cluster.cp_twin(a);
  cluster.access(*this, op.dst, op.bytes, true, false, {twin, cp_[t].committed + 1, op.site}, op.clk);
  std::memcpy(arena + op.dst, op.src, op.src_bytes);
  std::memset(arena + op.dst + op.src_bytes, 0, op.bytes - op.src_bytes);
}
void Cta::cp_async_commit(unsigned t) {
  auto& g = cp_[t];
  g.closed.push_back(std::move(g.open));
  g.open.clear();
  // Operations left for later keep the clock of the group they belong to.
  ++g.committed;
}
void Cta::cp_async_wait(unsigned t, unsigned pending) {
  auto& g = cp_[t];
  unsigned a = cluster.agent(*this, t);
  while (g.closed.size() > pending) {
    Clock now = g.committed;
    g.committed = Clock(now - g.closed.size());             // perform() stamps committed + 1
    for (auto& op : g.closed.front()) perform(t, op);
    if (cluster.opt.racecheck) cluster.clocks(a).seen[cluster.cp_twin(a)] = g.committed + 1;
    g.committed = now;
    g.closed.pop_front();
  }
}

// ------------------------------------------------------------------ tensor maps
uint32_t swizzle_address(uint32_t a, Swizzle s) {
  switch (s) {
    case Swizzle::B128: return a ^ (a >> 3 & 0x70);   // bits 4-6 ^= bits 7-9
    case Swizzle::B64: return a ^ (a >> 3 & 0x30);    // bits 4-5 ^= bits 7-8
    case Swizzle::B32: return a ^ (a >> 3 & 0x10);    // bit 4 ^= bit 7
    default: return a;
  }
}
uint32_t TensorMap::box_bytes() const {
  uint32_t n = elem_bytes;
  for (uint32_t i = 0; i < rank; ++i) n *= box[i];
  return n;
}
TensorMap encode_tiled(void* base, uint32_t rank, uint32_t elem, const uint64_t* dim, const uint64_t* stride, const uint32_t* box, Swizzle sw) {
  auto bad = [](const std::string& s) { throw Error(Fault::Descriptor, "tensor map: " + s); };
  TensorMap m;
  m.base = (unsigned char*)base, m.rank = rank, m.elem_bytes = elem, m.swizzle = sw;
  if (rank < 1 || rank > 5) bad("rank");
  if (uintptr_t(base) % 16) bad("global address not 16-byte aligned");
  for (uint32_t i = 0; i < rank; ++i) {
    m.dim[i] = dim[i], m.box[i] = box[i];
    m.stride[i] = i ? stride[i - 1] : elem;
    if (dim[i] == 0 || dim[i] > 1ull << 32) bad(format("dimension %u is %llu", i, (unsigned long long)dim[i]));
    if (box[i] == 0 || box[i] > 256) bad(format("box dimension %u is %u", i, box[i]));
    if (i && (m.stride[i] % 16 || m.stride[i] >= 1ull << 40)) bad(format("stride %u is %llu, not a multiple of 16", i, (unsigned long long)m.stride[i]));
  }
  uint32_t inner = box[0] * elem, limit = sw == Swizzle::B128 ? 128 : sw == Swizzle::B64 ? 64 : sw == Swizzle::B32 ? 32 : 1 << 20;
  if (inner % 16) bad(format("inner box of %u bytes is not a multiple of 16", inner));
  if (inner > limit) bad(format("inner box of %u bytes exceeds the %u-byte swizzle span", inner, limit));
  return m;
}

// ------------------------------------------------------------------ bulk tensor copies
template <class F>
static void for_each_chunk(const TensorMap& m, const int32_t* coord, F f) {   // f(tile byte offset, global pointer or null)
  uint32_t n = 1;
  for (uint32_t i = 0; i < m.rank; ++i) n *= m.box[i];
  uint32_t idx[5] = {};
  for (uint32_t e = 0; e < n; ++e) {
    unsigned char* g = m.base;
    bool in = true;
    for (uint32_t i = 0; i < m.rank; ++i) {
      int64_t c = int64_t(coord[i]) + idx[i];
      in &= c >= 0 && c < int64_t(m.dim[i]);
      g += c * int64_t(m.stride[i]);
    }
    f(e * m.elem_bytes, in ? g : nullptr);
    for (uint32_t i = 0; i < m.rank && ++idx[i] == m.box[i]; ++i) idx[i] = 0;
  }
}
static void check_tile_address(uint32_t a, const TensorMap& m, Site s) {
  uint32_t align = m.swizzle == Swizzle::B128 ? 1024 : m.swizzle == Swizzle::B64 ? 512 : m.swizzle == Swizzle::B32 ? 256 : 128;
  if (a % align) throw Error(Fault::Misaligned, format("tile at shared address 0x%x needs %u-byte alignment for its swizzle, at %s", a, align, symbolise(s).c_str()));
}

void Cta::tma_load(unsigned t, uint32_t dst, const TensorMap& m, uint32_t mbar, const int32_t* coord, uint16_t mask, Site s) {
  check_tile_address(dst, m, s);
  check_range(dst, m.box_bytes(), "bulk tensor load", s);
  TmaLoadOp op{this, dst, mbar, m, {}, mask, cluster.snapshot(cluster.agent(*this, t)), {}, s};
  std::copy(coord, coord + m.rank, op.coord);
  for (unsigned r = 0; r < cluster.cta.size(); ++r) {
    if (mask >> r & 1 && !cluster.cta[r]->mbars_.count(mbar))
      throw Error(Fault::Barrier, format("bulk tensor load at %s signals 0x%x, which is not an initialised mbarrier of cta %u", symbolise(s).c_str(), mbar, r));
  }
  if (cluster.opt.racecheck) {
    for (unsigned k = 0;; ++k) {
      if (k == cluster.tma_slots_) throw Error(Fault::Unsupported, "too many bulk loads in flight for the race detector");
      unsigned a = cluster.tma_base_ + (cluster.next_slot_ + k) % cluster.tma_slots_;
      bool busy = false;
      for (auto& l : cluster.loads_) busy |= l.self.agent == a;
      if (busy) continue;
      cluster.next_slot_ += k + 1;
      op.self = {a, ++cluster.twin_clock_[a], s};
      break;
    }
    for (unsigned r = 0; r < cluster.cta.size(); ++r) {     // the barriers it signals must be initialised, visibly to the async proxy
      if (!(mask >> r & 1)) continue;
      const Epoch& w = cluster.cta[r]->shadow_[mbar / 2].write;
      if (op.clk.seen[w.agent] < w.clock)
        throw Error(Fault::Race, format("bulk tensor load at %s signals mbarrier 0x%x of cta %u, but is not ordered after its initialisation at %s",
                                        symbolise(s).c_str(), mbar, r, symbolise(w.site).c_str()));
      if (op.clk.proxy[w.agent] < w.clock)
        throw Error(Fault::ProxyFence, format("bulk tensor load at %s signals mbarrier 0x%x whose initialisation (%s) was not followed by "
                                              "fence.mbarrier_init or fence.proxy.async", symbolise(s).c_str(), mbar, symbolise(w.site).c_str()));
    }
  }
  Async a = cluster.opt.async;
  if (a == Async::Eager) cluster.perform(op);
  else cluster.loads_.push_back(std::move(op));
}

void Cluster::perform(TmaLoadOp& op) {
  for (unsigned r = 0; r < cta.size(); ++r) {
    if (!(op.mask >> r & 1)) continue;
    Cta& c = *cta[r];
    uint32_t bytes = op.map.box_bytes();
    access(c, op.dst, bytes, true, true, op.self, op.clk);
    for_each_chunk(op.map, op.coord, [&](uint32_t off, unsigned char* g) {
      unsigned char* d = c.arena + swizzle_address(op.dst + off, op.map.swizzle);
      if (g) std::memcpy(d, g, op.map.elem_bytes);
      else std::memset(d, 0, op.map.elem_bytes);
    });
    auto it = c.mbars_.find(op.mbar & 0xffffff);
    if (it == c.mbars_.end()) throw Error(Fault::Barrier, "bulk tensor load completed on an mbarrier that is gone");
    MBarrier& b = it->second;
    if (opt.racecheck) {
      b.current.join(op.clk);
      b.current.seen[op.self.agent] = b.current.proxy[op.self.agent] = op.self.clock;
    }
    b.tx -= bytes;
    ++version;
    c.maybe_complete(b);
  }
}

void Cta::tma_store(unsigned t, const TensorMap& m, uint32_t src, const int32_t* coord, Site s) {
  check_tile_address(src, m, s);
  check_range(src, m.box_bytes(), "bulk tensor store", s);
  BulkOp op{m, src, {}, cluster.snapshot(cluster.agent(*this, t)), s, false};
  std::copy(coord, coord + m.rank, op.coord);
  Async a = cluster.opt.async;
  if (a == Async::Eager || (a == Async::Random && cluster.coin())) perform(t, op);
  bulk_[t].open.push_back(std::move(op));
}
void Cta::perform(unsigned t, BulkOp& op) {
  if (op.done) return;
  op.done = true;
  unsigned a = cluster.agent(*this, t), twin = cluster.bulk_twin(a);
  cluster.access(*this, op.src, op.map.box_bytes(), false, true, {twin, bulk_[t].committed + 1, op.site}, op.clk);
  for_each_chunk(op.map, op.coord, [&](uint32_t off, unsigned char* g) {
    if (g) std::memcpy(g, arena + swizzle_address(op.src + off, op.map.swizzle), op.map.elem_bytes);
  });
}
void Cta::bulk_commit(unsigned t) {
  auto& g = bulk_[t];
  g.closed.push_back(std::move(g.open));
  g.open.clear(), ++g.committed;
}
void Cta::bulk_wait(unsigned t, unsigned pending, bool) {
  auto& g = bulk_[t];
  unsigned a = cluster.agent(*this, t);
  while (g.closed.size() > pending) {
    Clock now = g.committed;
    g.committed = Clock(now - g.closed.size());
    for (auto& op : g.closed.front()) perform(t, op);
    if (cluster.opt.racecheck) cluster.clocks(a).seen[cluster.bulk_twin(a)] = g.committed + 1;
    g.committed = now;
    g.closed.pop_front();
  }
}
void Cta::fence_proxy_async(unsigned t) {
  if (!cluster.opt.racecheck) return;
  unsigned a = cluster.agent(*this, t);
  Clocks& k = cluster.clocks(a);
  k.proxy = k.seen;
  ++k.seen[a];
}

// ------------------------------------------------------------------ wgmma
void Cta::wgmma_fence(unsigned wg) { wg_[wg].fenced = true; }

static int acc_index(int lane, int i, int n) {               // accumulator i of thread `lane`: position in row-major 64 x n
  return (lane / 32 * 16 + lane % 32 / 4 + i / 2 % 2 * 8) * n + i / 4 * 8 + lane % 4 * 2 + i % 2;
}

WgmmaOp Cta::issue(unsigned wg, const Wgmma& w, Site s) {
  if (!wg_[wg].fenced) throw Error(Fault::Async, "wgmma.mma_async with no wgmma.fence since the last wgmma.wait_group, at " + symbolise(s));
  WgmmaOp op; op.w = w, op.site = s, op.done = false;
  if (w.a_in_regs) for (int l = 0; l < 128; ++l) op.a.insert(op.a.end(), w.a[l], w.a[l] + 4);
  if (!cluster.opt.racecheck) return op;
  for (unsigned q = 0; q < 4; ++q) {                         // ordered only after what every warp of the group has seen
    const Clocks& k = cluster.clocks(cluster.agent(*this, wg * 128 + q * 32));
    if (q == 0) { op.clk = k; continue; }
    for (size_t i = 0; i < k.seen.size(); ++i) {
      op.clk.seen[i] = std::min(op.clk.seen[i], k.seen[i]);
      op.clk.proxy[i] = std::min(op.clk.proxy[i], k.proxy[i]);
    }
  }
  for (unsigned l = 0; l < 128; ++l) {
    unsigned a = cluster.agent(*this, wg * 128 + l);
    ++cluster.clocks(a).seen[a];
  }
  return op;
}

void Cta::wgmma(unsigned wg, const Wgmma& w, Site s) {
  WgmmaOp op = issue(wg, w, s);
  WgState& st = wg_[wg];
  std::shared_ptr<Chain> chain;
  for (auto& c : st.live) if (c->d[0] == w.d[0]) chain = c;
  if (chain && chain->n != w.n) throw Error(Fault::Async, "wgmma of another shape on accumulators still in flight, at " + symbolise(s));
  if (!chain) {
    chain = std::make_shared<Chain>();
    chain->n = w.n, chain->d.assign(w.d, w.d + 128), chain->acc.assign(64 * w.n, 0);
    for (int l = 0; l < 128; ++l)
      for (int i = 0; i < w.n / 2; ++i) {
        if (w.scale_d) chain->acc[acc_index(l, i, w.n)] = w.d[l][i];
        uint32_t poison = 0x7fc0dead;                        // reading an accumulator before wait_group yields NaN
        std::memcpy(&w.d[l][i], &poison, 4);
      }
    st.live.push_back(chain);
  }
  ++chain->uses;
  op.chain = chain;
  Async a = cluster.opt.async;
  bool all_done = true;
  for (auto& g : st.groups.closed) for (auto& o : g) all_done &= o.done;
  for (auto& o : st.groups.open) all_done &= o.done;
  if (all_done && (a == Async::Eager || (a == Async::Random && cluster.coin()))) perform(wg, op);
  st.groups.open.push_back(std::move(op));
}

void Cta::wgmma_now(unsigned wg, const Wgmma& w, Site s) {
  WgmmaOp op = issue(wg, w, s);
  auto chain = std::make_shared<Chain>();
  chain->acc.assign(64 * w.n, 0), chain->uses = 1;
  if (w.scale_d) for (int l = 0; l < 128; ++l) for (int i = 0; i < w.n / 2; ++i) chain->acc[acc_index(l, i, w.n)] = w.d[l][i];
  op.chain = chain;
  perform(wg, op);
  for (int l = 0; l < 128; ++l) for (int i = 0; i < w.n / 2; ++i) w.d[l][i] = chain->acc[acc_index(l, i, w.n)];
  wg_[wg].groups.open.push_back(std::move(op));
}

void Cta::gather(unsigned wg, uint64_t d, bool mn_major, int extent, float sign, float* out, const WgmmaOp& op, const char* which) {
  uint32_t start = (d & 0x3fff) << 4, lbo = (d >> 16 & 0x3fff) << 4, sbo = (d >> 32 & 0x3fff) << 4;
  unsigned base = d >> 49 & 7, mode = d >> 62;
  static const Swizzle modes[4] = {Swizzle::None, Swizzle::B128, Swizzle::B64, Swizzle::B32};
  Swizzle sw = modes[mode];
  uint32_t span = sw == Swizzle::B128 ? 128 : sw == Swizzle::B64 ? 64 : sw == Swizzle::B32 ? 32 : 16;
  if (base) throw Error(Fault::Unsupported, "wgmma descriptor with a non-zero base offset");
  if (sw != Swizzle::None && start % (8 * span) >= span)
    throw Error(Fault::Descriptor, format("wgmma %s descriptor starts at 0x%x, not at a row 0 of its %u-byte swizzle pattern, at %s", which, start, span, symbolise(op.site).c_str()));
  Epoch self{cluster.wg_twin(*this, wg), wg_[wg].groups.committed + 1, op.site};
  auto chunk = [&](uint32_t a) {
    a = swizzle_address(a, sw);
    check_range(a, 16, which, op.site);
    cluster.access(*this, a, 16, false, true, self, op.clk);
    return (const uint16_t*)(arena + a);
  };
  if (!mn_major) {                        // out[mn][16]
    for (int mn = 0; mn < extent; ++mn)
      for (int h = 0; h < 2; ++h) {
        const uint16_t* p = chunk(start + mn % 8 * span + mn / 8 * sbo + (sw == Swizzle::None ? h * lbo : h * 16));
        for (int k = 0; k < 8; ++k) out[mn * 16 + h * 8 + k] = sign * bf16_to_f32(p[k]);
      }
  } else {
    int per_span = span / 2;              // elements along MN in one row of the pattern
    for (int k = 0; k < 16; ++k)
      for (int mn = 0; mn < extent; mn += 8) {
        uint32_t a = start + k % 8 * span;
        if (sw == Swizzle::None) a += mn / 8 * sbo + k / 8 * lbo;
        else a += mn % per_span * 2 + mn / per_span * lbo + k / 8 * sbo;
        const uint16_t* p = chunk(a);
        for (int j = 0; j < 8; ++j) out[(mn + j) * 16 + k] = sign * bf16_to_f32(p[j]);
      }
  }
}

__attribute__((target_clones("arch=haswell", "default")))
static void gemm_64xNx16(float* d, const float* a, const float* b, int n) {   // b is [16][n]
  for (int m = 0; m < 64; ++m)
    for (int k = 0; k < 16; ++k) {
      float x = a[m * 16 + k];
      for (int j = 0; j < n; ++j) d[m * n + j] += x * b[k * n + j];
    }
}

void Cta::perform(unsigned wg, WgmmaOp& op) {
  if (op.done) return;
  op.done = true;
  const Wgmma& w = op.w;
  Chain& chain = *std::static_pointer_cast<Chain>(op.chain);
  float a[64 * 16], b[256 * 16], bt[16 * 256];
  if (w.a_in_regs) {
    for (int l = 0; l < 128; ++l)
      for (int r = 0; r < 4; ++r)
        for (int h = 0; h < 2; ++h) {
          int row = l / 32 * 16 + l % 32 / 4 + r % 2 * 8, k = r / 2 * 8 + l % 4 * 2 + h;
          a[row * 16 + k] = w.neg_a * bf16_to_f32(op.a[l * 4 + r] >> 16 * h);
        }
  } else gather(wg, w.desc_a, w.tnsp_a, 64, w.neg_a, a, op, "wgmma A");
  gather(wg, w.desc_b, w.tnsp_b, w.n, w.neg_b, b, op, "wgmma B");
  for (int j = 0; j < w.n; ++j) for (int k = 0; k < 16; ++k) bt[k * w.n + j] = b[j * 16 + k];
  if (!w.scale_d) std::fill(chain.acc.begin(), chain.acc.end(), 0.f);
  gemm_64xNx16(chain.acc.data(), a, bt, w.n);
}

void Cta::wgmma_commit(unsigned wg) {
  auto& g = wg_[wg].groups;
  g.closed.push_back(std::move(g.open));
  g.open.clear(), ++g.committed;
}
void Cta::wgmma_wait(unsigned wg, unsigned pending, Site) {
  WgState& st = wg_[wg];
  auto& g = st.groups;
  while (g.closed.size() > pending) {
    Clock now = g.committed;
    g.committed = Clock(now - g.closed.size());
    for (auto& op : g.closed.front()) {
      perform(wg, op);
      --std::static_pointer_cast<Chain>(op.chain)->uses;
    }
    if (cluster.opt.racecheck)
      for (unsigned l = 0; l < 128; ++l)
        cluster.clocks(cluster.agent(*this, wg * 128 + l)).seen[cluster.wg_twin(*this, wg)] = g.committed + 1;
    g.committed = now;
    g.closed.pop_front();
  }
  for (size_t c = 0; c < st.live.size();) {
    Chain& ch = *st.live[c];
    if (ch.uses) { ++c; continue; }
    for (int l = 0; l < 128; ++l)
      for (int i = 0; i < ch.n / 2; ++i) ch.d[l][i] = ch.acc[acc_index(l, i, ch.n)];
    st.live.erase(st.live.begin() + c);
  }
  st.fenced = false;
}

bool Cta::setmaxnreg(unsigned wg, unsigned regs, Site s) {
  if (regs % 8 || regs < 24 || regs > 256) throw Error(Fault::Registers, format("setmaxnreg %u, at %s", regs, symbolise(s).c_str()));
  WgState& st = wg_[wg];
  if (regs <= st.regs) { free_regs_ += (st.regs - regs) * 128; st.regs = regs; ++cluster.version; return true; }
  if ((regs - st.regs) * 128 > free_regs_) return false;
  free_regs_ -= (regs - st.regs) * 128, st.regs = regs;
  return true;
}

// ------------------------------------------------------------------ arithmetic
float f16_to_f32(uint16_t h) {
  uint32_t s = uint32_t(h >> 15) << 31, e = h >> 10 & 31, m = h & 1023, u;
  if (e == 31) u = s | 0x7f800000 | m << 13;
  else if (e) u = s | (e + 112) << 23 | m << 13;
  else { float f = std::ldexp(float(m), -24); return s ? -f : f; }
  float f; std::memcpy(&f, &u, 4); return f;
}
uint16_t f32_to_f16(float f) {
  uint32_t u; std::memcpy(&u, &f, 4);
  uint16_t s = u >> 16 & 0x8000; float a = std::fabs(f);
  if (std::isnan(f)) return 0x7fff;
  if (a >= 65520.f) return s | 0x7c00;
  if (a < 6.103515625e-05f) return s | uint16_t(std::nearbyint(std::ldexp(a, 24)));
  int e; std::frexp(a, &e);
  uint32_t m = uint32_t(std::nearbyint(std::ldexp(a, 11 - e)));       // 1024..2048
  return s | uint16_t(((e + 14) << 10) + (m - 1024));
}
static float mma_element(MmaType type, uint32_t bits) {
  switch (type) {
    case MmaType::bf16: return bf16_to_f32(uint16_t(bits));
    case MmaType::f16: return f16_to_f32(uint16_t(bits));
    case MmaType::tf32: break;
  }
  bits &= ~0x1fffu;                                          // the hardware ignores the low 13 bits
  float f; std::memcpy(&f, &bits, 4);
  return f;
}
void mma_m16n8(MmaShape s, const uint32_t (*a)[4], const uint32_t (*b)[2], const float (*c)[4], float (*d)[4]) {
  const int per = s.per_register();
  float A[16][16], Bt[16][8], C[16][8];
  for (int lane = 0; lane < 32; ++lane) {
    const int group = lane / 4, t = lane % 4 * per;
    for (int half = 0; half < per; ++half) {
      for (int r = 0; r < s.a_registers(); ++r)              // registers alternate between rows g and g + 8
        A[group + r % 2 * 8][t + half + r / 2 * 4 * per] = mma_element(s.type, a[lane][r] >> 16 * half);
      for (int r = 0; r < s.b_registers(); ++r) Bt[t + half + r * 4 * per][group] = mma_element(s.type, b[lane][r] >> 16 * half);
    }
    for (int i = 0; i < 4; ++i) C[group + i / 2 * 8][lane % 4 * 2 + i % 2] = c[lane][i];
  }
  for (int m = 0; m < 16; ++m)
    for (int k = 0; k < s.k; ++k)
      for (int n = 0; n < 8; ++n) C[m][n] += A[m][k] * Bt[k][n];
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < 4; ++i) d[lane][i] = C[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
}

}  // namespace simt
