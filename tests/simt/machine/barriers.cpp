// mbarriers, named barriers, __syncwarp, and what a thread may not leave behind.
#include "tests/simt/machine/cluster.h"

namespace simt {

// ---------------------------------------------------------------- mbarrier
void Cta::mbarrier_init(unsigned t, std::uint32_t addr, std::uint32_t count, Site s) {
  if (addr % 8) throw Error(Fault::Misaligned, format("mbarrier at 0x%x, at %s", addr, symbolise(s).c_str()));
  if (count == 0 || count >= 1u << 20)
    throw Error(Fault::Barrier, format("mbarrier.init with count %u, at %s", count, symbolise(s).c_str()));
  if (mbars_.count(addr))
    throw Error(Fault::Barrier, format("mbarrier.init of a live mbarrier at 0x%x, %s", addr, symbolise(s).c_str()));
  write(t, addr, 8, s);
  MBarrier b;
  b.count = b.pending = count, b.init_site = s;
  mbars_[addr] = b;
}

void Cta::mbarrier_inval(unsigned t, std::uint32_t addr, Site s) {
  mbarrier(mapa(addr, rank), t, s, "inval");
  mbars_.erase(addr);
  write(t, addr, 8, s);
}

const MBarrier* Cta::find_mbarrier(std::uint32_t addr) const {
  const auto it = mbars_.find(addr);
  return it == mbars_.end() ? nullptr : &it->second;
}

MBarrier& Cta::mbarrier(std::uint32_t cluster_address, unsigned t, Site s, const char* op) {
  if (cluster_address >> 24 >= cluster.cta.size())
    throw Error(Fault::OutOfBounds, format("mbarrier.%s on 0x%x, in a cluster of %zu, at %s", op, cluster_address,
                                           cluster.cta.size(), symbolise(s).c_str()));
  Cta* c = cluster.cta[cluster_address >> 24].get();
  const std::uint32_t addr = cluster_address & 0xffffff;
  const auto it = c->mbars_.find(addr);
  if (it == c->mbars_.end())
    throw Error(Fault::Barrier, format("mbarrier.%s on 0x%x, which is not an initialised mbarrier, at %s", op, addr,
                                       symbolise(s).c_str()));
  if (cluster.opt.racecheck) {  // its initialisation must happen before any use
    const unsigned a = cluster.agent(*this, t);
    const Epoch& w = c->shadow_[addr / 2].write;
    if (w.site != it->second.init_site)
      throw Error(Fault::Barrier, format("mbarrier at 0x%x was overwritten at %s", addr, symbolise(w.site).c_str()));
    if (w.agent != a && cluster.clocks(a).seen[w.agent] < w.clock)
      throw Error(Fault::Race,
                  format("mbarrier.%s on 0x%x by %s at %s is not ordered after its initialisation at %s", op, addr,
                         cluster.agent_name(a).c_str(), symbolise(s).c_str(), symbolise(w.site).c_str()));
  }
  return it->second;
}

void Cta::maybe_complete(MBarrier& b) {
  if (b.pending || b.tx) return;
  ++b.phase, b.pending = b.count, ++cluster.version;
  if (cluster.opt.racecheck) b.completed.join(b.current);
}

std::uint64_t Cta::mbarrier_arrive(unsigned t, std::uint32_t addr, std::uint32_t n, Site s) {
  MBarrier& b = mbarrier(addr, t, s, "arrive");
  if (const unsigned a = cluster.agent(*this, t); cluster.opt.racecheck && addr >> 24 != rank)
    cluster.cta[addr >> 24]->signals_[a] = {a, cluster.clocks(a).seen[a], s};
  cluster.release(cluster.agent(*this, t), b.current);
  if (n > b.pending)
    throw Error(Fault::Barrier,
                format("mbarrier 0x%x: %u arrival(s) but only %u pending in phase %llu (count %u), at %s", addr, n,
                       b.pending, (unsigned long long)b.phase, b.count, symbolise(s).c_str()));
  const std::uint64_t phase = b.phase;
  b.pending -= n;
  maybe_complete(b);
  return phase;
}

void Cta::mbarrier_expect_tx(unsigned t, std::uint32_t addr, std::uint32_t bytes, Site s) {
  MBarrier& b = mbarrier(addr, t, s, "expect_tx");
  b.tx += bytes;
  if (b.tx >= 1 << 20)
    throw Error(Fault::Barrier, format("mbarrier 0x%x: tx-count %lld exceeds 2^20-1, at %s", addr, (long long)b.tx,
                                       symbolise(s).c_str()));
}

bool Cta::mbarrier_ready(std::uint32_t addr, std::uint32_t parity) const {
  const MBarrier* b = find_mbarrier(addr);
  return b && (b->phase & 1) != parity;
}

bool Cta::mbarrier_test(unsigned t, std::uint32_t addr, std::uint32_t parity, Site s) {
  if (parity > 1) throw Error(Fault::Barrier, format("mbarrier parity %u, at %s", parity, symbolise(s).c_str()));
  MBarrier& b = mbarrier(mapa(addr, rank), t, s, "wait");
  if ((b.phase & 1) == parity) return false;
  cluster.acquire(cluster.agent(*this, t), b.completed);
  return true;
}

std::string Cta::describe_mbarrier(std::uint32_t addr) const {
  const MBarrier* b = find_mbarrier(addr);
  if (!b) return format("mbarrier 0x%x (not initialised)", addr);
  return format("mbarrier 0x%x (dynamic + 0x%x): phase %llu (parity %llu), %u of %u arrivals pending, tx-count %lld",
                addr, addr - kSharedBase, (unsigned long long)b->phase, (unsigned long long)(b->phase & 1), b->pending,
                b->count, (long long)b->tx);
}

// ---------------------------------------------------------------- named barriers
std::uint64_t Cta::barrier_arrive(unsigned t, unsigned id, unsigned count, Site s) {
  if (id > 15) throw Error(Fault::Barrier, format("barrier id %u, at %s", id, symbolise(s).c_str()));
  if (count % 32)
    throw Error(Fault::Barrier, format("barrier %u with %u threads, not a multiple of the warp size, at %s", id, count,
                                       symbolise(s).c_str()));
  NamedBarrier& b = named_[id];
  if (b.arrived == 0) b.expected = count;
  if (b.expected != count)
    throw Error(Fault::Barrier, format("barrier %u used with %u and %u threads at once, at %s", id, b.expected, count,
                                       symbolise(s).c_str()));
  cluster.release(cluster.agent(*this, t), b.current);
  const std::uint64_t generation = b.generation;
  if (++b.arrived == (count ? count : alive_)) release_barrier(b);
  return generation;
}

void Cta::release_barrier(NamedBarrier& b) {
  b.arrived = 0, ++b.generation, ++cluster.version;
  if (cluster.opt.racecheck) b.completed.join(b.current);
}

void Cta::barrier_acquire(unsigned t, unsigned id) { cluster.acquire(cluster.agent(*this, t), named_[id].completed); }

void Cta::syncwarp(const unsigned* threads_of_warp, unsigned n) {
  if (!cluster.opt.racecheck) return;
  Clocks all;
  for (unsigned i = 0; i < n; ++i) cluster.release(cluster.agent(*this, threads_of_warp[i]), all);
  for (unsigned i = 0; i < n; ++i) cluster.acquire(cluster.agent(*this, threads_of_warp[i]), all);
}

// ---------------------------------------------------------------- exit
void Cta::check_nothing_outstanding(unsigned t) const {
  for (const auto& group : bulk_[t].closed)
    for (const auto& op : group)
      throw Error(Fault::Async, "thread exited before its bulk store (" + symbolise(op.site) +
                                    ") had read shared memory: no cp.async.bulk.wait_group");
  if (!bulk_[t].open.empty())
    throw Error(Fault::Async, "thread exited with an uncommitted bulk store, " + symbolise(bulk_[t].open[0].site));
  bool copies = !cp_[t].open.empty();
  for (const auto& group : cp_[t].closed) copies |= !group.empty();
  if (copies) throw Error(Fault::Async, "thread exited with cp.async outstanding");
  const auto& groups = wg_[t / 128].groups;
  if (!groups.open.empty() || !groups.closed.empty()) throw Error(Fault::Async, "thread exited with wgmma outstanding");
}

void Cta::check_signals() const {
  for (const auto& [agent, signal] : signals_)
    if (exits_[agent] < signal.clock)
      throw Error(Fault::Async,
                  format("cta %u may exit before an mbarrier of it is signalled by %s at %s: nobody in it "
                         "waits for that",
                         rank, cluster.agent_name(agent).c_str(), symbolise(signal.site).c_str()));
}

void Cta::thread_exits(unsigned t, Site) {
  check_nothing_outstanding(t);
  if (cluster.opt.racecheck) simt::join(exits_, cluster.clocks(cluster.agent(*this, t)).seen);
  finish_bulk_stores(t);
  --alive_, ++cluster.version;
  if (!alive_) cluster.tensor->check_deallocated(*this);
  NamedBarrier& b = named_[0];
  if (b.arrived && !b.expected && b.arrived == alive_) release_barrier(b);
}

}  // namespace simt
