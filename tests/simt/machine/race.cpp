// The happens-before race detector for shared memory.
#include <algorithm>

#include "tests/simt/machine/cluster.h"

namespace simt {

Clocks Cluster::snapshot(unsigned a) {
  if (!opt.racecheck) return {};
  Clocks c = clocks_[a];
  ++clocks_[a].seen[a];  // what this thread does next is not ordered before the operation
  return c;
}

void Cluster::release(unsigned a, Clocks& into) {
  if (!opt.racecheck) return;
  into.join(clocks_[a]);
  ++clocks_[a].seen[a];
}

void Cluster::acquire(unsigned a, const Clocks& from) {
  if (!opt.racecheck || from.empty()) return;
  clocks_[a].join(from);
}

std::string Cluster::agent_name(unsigned a) const {
  const auto thread = [&](unsigned t) {
    const unsigned c = t / threads_, i = t % threads_;
    const std::string s = format("warp %u lane %u", i / 32, i % 32);
    return cta.size() > 1 ? format("cta %u ", c) + s : s;
  };
  if (a < nthreads_) return thread(a);
  if (a < 2 * nthreads_) return "cp.async of " + thread(a - nthreads_);
  if (a < 3 * nthreads_) return "bulk store of " + thread(a - 2 * nthreads_);
  if (a < load_base_) return format("wgmma of warpgroup %u", (a - 3 * nthreads_) % wgs_);
  return a < load_base_ + load_slots_ ? "bulk tensor load" : tensor->agent_name(a);
}

namespace {

bool ordered(const Epoch& e, const Epoch& self, const Clocks& view) {
  return e.agent == self.agent || e.clock <= view.seen[e.agent];
}

/// Two marks of concurrent readers are kept; with more one is forgotten, so that races may be missed, never invented.
void record_read(Cell& cell, const Epoch& self, const Clocks& view, bool victim) {
  for (auto& r : cell.read)
    if (!r.clock || ordered(r, self, view)) {
      r = self;
      return;
    }
  cell.read[victim] = self;
}

}  // namespace

void Cluster::access(Cta& c, std::uint32_t addr, std::uint32_t bytes, bool is_write, bool async_proxy, Epoch self,
                     const Clocks& view) {
  if (!opt.racecheck) return;
  const char* kind = is_write ? "write" : "read";
  std::uint32_t a = addr & ~1u;
  const auto where = [&] { return format("shared address 0x%x (dynamic + 0x%x)", a, a - kSharedBase); };
  const auto by = [&](const Epoch& e) { return agent_name(e.agent) + " at " + symbolise(e.site); };
  const auto race = [&](const Epoch& other, const char* other_kind) {
    throw Error(Fault::Race, where() + "\n  " + kind + " by " + by(self) + "\n  is not ordered after the " +
                                 other_kind + " by " + by(other));
  };
  if (bytes == 1) {  // half a granule: neighbours may be others' business, so only initialisation is followed
    Cell& cell = c.shadow_[a / 2];
    if (!cell.write.clock && !is_write) throw Error(Fault::Uninitialised, where() + " read by " + by(self));
    if (!cell.write.clock) cell.write = self, cell.async_write = async_proxy;
    return;
  }
  for (; a < addr + bytes; a += 2) {
    Cell& cell = c.shadow_[a / 2];
    if (!cell.write.clock) {
      if (!is_write) throw Error(Fault::Uninitialised, where() + " read by " + by(self));
    } else {
      if (!ordered(cell.write, self, view)) race(cell.write, "write");
      if (async_proxy && !cell.async_write && view.proxy[cell.write.agent] < cell.write.clock)
        throw Error(Fault::ProxyFence, where() + "\n  asynchronous " + kind + " by " + by(self) +
                                           "\n  follows the generic-proxy write by " + by(cell.write) +
                                           " with no fence.proxy.async in between");
    }
    if (!is_write) {
      record_read(cell, self, view, rng() & 1);
      continue;
    }
    for (const auto& r : cell.read)
      if (r.clock && !ordered(r, self, view)) race(r, "read");
    cell = {self, {}, async_proxy, false};
  }
}

void Cluster::mark_atomic(Cta& c, std::uint32_t addr, std::uint32_t bytes, Epoch self) {
  const Clocks& view = clocks_[self.agent];
  for (std::uint32_t a = addr; a < addr + bytes; a += 2) {
    Cell& cell = c.shadow_[a / 2];
    if (cell.atomic_write && !cell.read[0].clock && !cell.read[1].clock) {  // atomics do not race with one another
      cell.write = self;
      continue;
    }
    access(c, a, 2, false, false, self, view);  // initialised, and ordered after plain writes
    access(c, a, 2, true, false, self, view);
    cell.atomic_write = true;
  }
}

}  // namespace simt
