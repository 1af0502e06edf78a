// Bulk copies by the TMA unit: loads that signal an mbarrier, stores in groups, and the proxy fence.
#include <algorithm>

#include "tests/simt/device_heap.h"
#include "tests/simt/machine/cluster.h"

namespace simt {
namespace {

void check_tile_address(std::uint32_t a, const TensorMap& m, Site s) {
  const std::uint32_t align = m.swizzle == Swizzle::B128          ? 1024
                              : m.swizzle == Swizzle::B64         ? 512
                              : m.swizzle == Swizzle::B32         ? 256
                              : m.rank == 1 && m.elem_bytes == 16 ? 16
                                                                  : 128;  // a linear copy needs 16
  if (a % align)
    throw Error(Fault::Misaligned, format("tile at shared address 0x%x needs %u-byte alignment for its swizzle, at %s",
                                          a, align, symbolise(s).c_str()));
}

/// The tensor itself must be an allocation's: the box may stick out of the tensor, the tensor not out of memory.
void check_tensor(const Options& o, const TensorMap& m, const char* what, Site s) {
  if (!o.heap) return;
  std::uint64_t bytes = m.elem_bytes;
  for (std::uint32_t i = 0; i < m.rank; ++i) bytes += (m.dim[i] - 1) * m.stride[i];
  o.heap->check(m.base, bytes, what, s);
}

}  // namespace

// ---------------------------------------------------------------- loads
void Cta::bulk_load(unsigned t, std::uint32_t dst, const TensorMap& m, std::uint32_t mbar, const std::int32_t* coord,
                    std::uint16_t mask, bool pair, Site s) {
  check_tile_address(dst, m, s);
  check_range(dst, m.box_bytes(), "bulk tensor load", s);
  check_tensor(cluster.opt, m, "bulk load from a tensor", s);
  if (mbar >> 24 != rank && !(pair && mbar >> 24 == (rank ^ 1)))
    throw Error(Fault::Barrier, format("bulk tensor load by cta %u signals cta %u%s, at %s", rank, mbar >> 24,
                                       pair ? ", not of its pair" : " without cta_group::2", symbolise(s).c_str()));
  BulkLoadOp op{this, dst, mbar, m, {}, mask, pair, cluster.snapshot(cluster.agent(*this, t)), {}, s};
  std::copy(coord, coord + m.rank, op.coord);
  check_signalled_barriers(mbar, mask, pair, op.clk, s);
  if (cluster.opt.racecheck) op.self = cluster.new_load_epoch(s);
  if (cluster.opt.async == Async::Eager)
    cluster.perform(op);
  else
    cluster.loads_.push_back(std::move(op));
}

/// In every CTA of the mask the mbarrier must be initialised, before the load and visibly to the async proxy.
void Cta::check_signalled_barriers(std::uint32_t cluster_address, std::uint16_t mask, bool pair, const Clocks& clk,
                                   Site s) const {
  const std::uint32_t mbar = cluster_address & 0xffffff;
  for (unsigned r = 0; r < 16; ++r) {
    if (!(mask >> r & 1)) continue;
    if (r >= cluster.cta.size())
      throw Error(Fault::OutOfBounds, format("bulk tensor load at %s to cta %u, the cluster has %zu",
                                             symbolise(s).c_str(), r, cluster.cta.size()));
    const Cta& c = *cluster.cta.at(signalled_rank(cluster_address, pair, r));
    if (!c.mbars_.count(mbar))
      throw Error(Fault::Barrier, format("bulk tensor load at %s signals 0x%x, which is not an initialised mbarrier of "
                                         "cta %u",
                                         symbolise(s).c_str(), mbar, c.rank));
    if (!cluster.opt.racecheck) continue;
    const Epoch& w = c.shadow_[mbar / 2].write;
    if (clk.seen[w.agent] < w.clock)
      throw Error(Fault::Race,
                  format("bulk tensor load at %s signals mbarrier 0x%x of cta %u, but is not ordered after "
                         "its initialisation at %s",
                         symbolise(s).c_str(), mbar, c.rank, symbolise(w.site).c_str()));
    if (clk.proxy[w.agent] < w.clock)
      throw Error(Fault::ProxyFence,
                  format("bulk tensor load at %s signals mbarrier 0x%x whose initialisation (%s) was "
                         "not followed by fence.mbarrier_init or fence.proxy.async",
                         symbolise(s).c_str(), mbar, symbolise(w.site).c_str()));
  }
}

Epoch Cluster::new_load_epoch(Site s) {
  for (unsigned k = 0; k < load_slots_; ++k) {
    const unsigned slot = (next_slot_ + k) % load_slots_;
    const auto uses = [&](const BulkLoadOp& l) { return l.self.agent == load_base_ + slot; };
    if (std::any_of(loads_.begin(), loads_.end(), uses)) continue;
    next_slot_ = slot + 1;
    return {load_base_ + slot, ++load_clock_[slot], s};
  }
  throw Error(Fault::Unsupported,
              format("more than %u bulk loads in flight, at %s", load_slots_, symbolise(s).c_str()));
}

void Cluster::complete_load(std::size_t which) {
  BulkLoadOp op = std::move(loads_[which]);
  loads_.erase(loads_.begin() + std::ptrdiff_t(which));
  perform(op);
}

void Cluster::perform(BulkLoadOp& op) {
  const std::uint32_t bytes = op.map.box_bytes();
  for (unsigned r = 0; r < cta.size(); ++r) {
    if (!(op.mask >> r & 1)) continue;
    Cta& c = *cta[r];
    access(c, op.dst, bytes, true, true, op.self, op.clk);
    for_each_element(op.map, op.coord, [&](std::uint32_t offset, const unsigned char* global) {
      unsigned char* d = c.arena + swizzle_address(op.dst + offset, op.map.swizzle);
      if (global)
        std::memcpy(d, global, op.map.elem_bytes);
      else
        std::memset(d, 0, op.map.elem_bytes);  // out of bounds: zero, but counted in bytes
    });
    Cta& signalled = *cta[signalled_rank(op.mbar, op.pair, r)];
    const auto it = signalled.mbars_.find(op.mbar & 0xffffff);
    if (it == signalled.mbars_.end())
      throw Error(Fault::Barrier, "bulk tensor load completed on an mbarrier that is gone");
    MBarrier& b = it->second;
    if (opt.racecheck) {
      b.current.join(op.clk);
      b.current.seen[op.self.agent] = b.current.proxy[op.self.agent] = op.self.clock;
    }
    b.tx -= bytes;
    ++version;
    signalled.maybe_complete(b);
  }
}

// ---------------------------------------------------------------- stores
void Cta::bulk_store(unsigned t, const TensorMap& m, std::uint32_t src, const std::int32_t* coord, bool adds, Site s) {
  if (adds && m.format == MapFormat::Bits)
    throw Error(Fault::Unsupported, "bulk reduction of elements that are not f32, f16 or bf16, at " + symbolise(s));
  check_tile_address(src, m, s);
  check_range(src, m.box_bytes(), "bulk tensor store", s);
  check_tensor(cluster.opt, m, "bulk store to a tensor", s);
  BulkOp op{m, src, {}, adds, cluster.snapshot(cluster.agent(*this, t)), s, false};
  std::copy(coord, coord + m.rank, op.coord);
  const Async a = cluster.opt.async;
  if (a == Async::Eager || (a == Async::Random && cluster.coin())) read_shared(t, op);
  if (op.done && (a == Async::Eager || cluster.coin())) write_global(op);
  bulk_[t].open.push_back(std::move(op));
}

void Cta::read_shared(unsigned t, BulkOp& op) {
  if (op.done) return;
  op.done = true;
  const unsigned engine = cluster.bulk_agent(cluster.agent(*this, t));
  cluster.access(*this, op.src, op.map.box_bytes(), false, true, {engine, bulk_[t].committed + 1, op.site}, op.clk);
  op.data.assign(arena + op.src, arena + op.src + op.map.box_bytes());
}

void Cta::write_global(BulkOp& op) {
  if (op.written) return;
  op.written = true;
  for_each_element(op.map, op.coord, [&](std::uint32_t offset, unsigned char* global) {
    if (!global) return;
    const unsigned char* from = &op.data[swizzle_address(op.src + offset, op.map.swizzle) - op.src];
    if (op.adds)
      add_elements(op.map.format, global, from, op.map.elem_bytes);
    else
      std::memcpy(global, from, op.map.elem_bytes);
  });
  op.data = {};
  ++cluster.global.version;
}

void Cta::bulk_commit(unsigned t) {
  auto& g = bulk_[t];
  g.closed.push_back(std::move(g.open));
  g.open.clear();
  ++g.committed;
}

void Cta::bulk_wait(unsigned t, unsigned pending, bool read) {
  BulkGroups& g = bulk_[t];
  const unsigned a = cluster.agent(*this, t);
  while (g.closed.size() > pending) {
    const Clock now = g.committed;
    g.committed = Clock(now - g.closed.size());  // read_shared() stamps the group the store belongs to
    for (auto& op : g.closed.front()) read_shared(t, op);
    if (cluster.opt.racecheck) cluster.clocks(a).seen[cluster.bulk_agent(a)] = g.committed + 1;
    g.committed = now;
    g.unwritten.push_back(std::move(g.closed.front()));
    g.closed.pop_front();
  }
  while (!g.unwritten.empty() && !read && g.unwritten.size() + g.closed.size() > pending) {
    for (auto& op : g.unwritten.front()) write_global(op);
    g.unwritten.pop_front();
  }
  if (read && cluster.opt.async == Async::Random)
    for (auto& group : g.unwritten)
      for (auto& op : group)
        if (cluster.coin()) write_global(op);
}

void Cta::finish_bulk_stores(unsigned t) {
  for (auto& group : bulk_[t].unwritten)
    for (auto& op : group) write_global(op);
  bulk_[t].unwritten.clear();
}

void Cta::fence_proxy_async(unsigned t) {
  if (!cluster.opt.racecheck) return;
  const unsigned a = cluster.agent(*this, t);
  Clocks& k = cluster.clocks(a);
  k.proxy = k.seen;
  ++k.seen[a];
}

}  // namespace simt
