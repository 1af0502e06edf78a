#include "tests/simt/machine/global_memory.h"

#include <algorithm>

namespace simt {

void merge(Published& into, const Published& from) {
  Clocks joiner;
  joiner.foreign.swap(into);
  for (const auto& [cluster, clocks] : from) joiner.join_foreign(cluster, clocks);
  into.swap(joiner.foreign);
}

GlobalMemory::Granule& GlobalMemory::granule(std::uint64_t address) {
  auto& page = pages_[address / 2 / kGranules];
  if (!page) page = std::make_unique<Page>();
  return (*page)[address / 2 % kGranules];
}

bool GlobalMemory::ordered(const Mark& earlier, unsigned cluster, const Epoch& self, const Clocks& view) {
  const Epoch& e = earlier.epoch;
  if (earlier.cluster == cluster) return e.agent == self.agent || e.clock <= view.seen[e.agent];
  const auto known = view.foreign.find(earlier.cluster);
  return known != view.foreign.end() && e.clock <= (*known->second)[e.agent];
}

bool GlobalMemory::access(std::uint64_t address, std::uint32_t bytes, bool is_write, bool strong, unsigned cluster,
                          Epoch self, const Clocks& view, Conflict& conflict) {
  const auto clashes = [&](const Mark& earlier, bool earlier_is_write) {
    if (!earlier.epoch.clock || (strong && earlier.strong) || ordered(earlier, cluster, self, view)) return false;
    conflict = {earlier_is_write, earlier.cluster, earlier.epoch};
    return true;
  };
  for (std::uint64_t a = address & ~1ull; a < address + bytes; a += 2) {
    Granule& g = granule(a);
    if (clashes(g.write, true)) return true;
    if (is_write) {
      for (const Mark& r : g.read)
        if (clashes(r, false)) return true;
      g.write = {self, cluster, strong};
      g.read[0] = g.read[1] = {};
      continue;
    }
    Mark* slot = nullptr;
    for (Mark& r : g.read)
      if (!slot && (!r.epoch.clock || ordered(r, cluster, self, view))) slot = &r;
    // With more than two concurrent readers one is forgotten: a later race may be missed, none is invented.
    *(slot ? slot : &g.read[(a / 2 + self.clock) & 1]) = {self, cluster, strong};
  }
  return false;
}

}  // namespace simt
