// What a cluster's threads do to global memory, as the race detector sees it.
#include "tests/simt/machine/cluster.h"

namespace simt {

void Cluster::global_access(unsigned a, std::uint64_t addr, std::uint32_t bytes, bool is_write, bool strong, Site s) {
  if (bytes == 1) return;  // half a granule: a neighbour's byte would look like ours
  GlobalMemory::Conflict other;
  const Clocks& view = clocks_[a];
  if (!global.access(addr, bytes, is_write, strong, id, {a, view.seen[a], s}, view, other)) return;
  throw Error(Fault::Race,
              format("global address 0x%llx\n  %s by %s of cluster %u at %s\n  is not ordered after the %s by %s of "
                     "cluster %u at %s",
                     (unsigned long long)addr, is_write ? "write" : "read", agent_name(a).c_str(), id,
                     symbolise(s).c_str(), other.earlier_is_write ? "write" : "read",
                     agent_name(other.earlier.agent).c_str(), other.cluster, symbolise(other.earlier.site).c_str()));
}

Published Cluster::publish(unsigned a) {
  Published p = clocks_[a].foreign;
  p[id] = std::make_shared<std::vector<Clock>>(clocks_[a].seen);
  ++clocks_[a].seen[a];
  return p;
}

void Cluster::subscribe(unsigned a, const Published& from) {
  for (const auto& [cluster, clocks] : from) {
    if (cluster == id)
      join(clocks_[a].seen, *clocks);
    else
      clocks_[a].join_foreign(cluster, clocks);
  }
}

void Cluster::acquire_location(unsigned a, std::uint64_t addr, Strength s) {
  if (!s.strong) return;
  const Published& p = global.location(addr);
  merge(pending_acquire_[a], p);
  if (s.acquire) subscribe(a, p);
}

void Cluster::release_location(unsigned a, std::uint64_t addr, Strength s) {
  if (!s.strong) return;
  Published& location = global.location(addr);
  if (!s.atomic) location.clear();  // a plain store ends the release sequence of earlier ones
  merge(location, s.release ? publish(a) : fence_release_[a]);
}

void Cluster::global_read(unsigned a, std::uint64_t addr, std::uint32_t bytes, Strength s, Site site) {
  if (!checks_global()) return;
  global_access(a, addr, bytes, false, s.strong, site);
  acquire_location(a, addr, s);
}

void Cluster::global_write(unsigned a, std::uint64_t addr, std::uint32_t bytes, Strength s, Site site) {
  ++global.version;
  if (!checks_global()) return;
  global_access(a, addr, bytes, true, s.strong, site);
  release_location(a, addr, s);
}

void Cluster::global_atomic(unsigned a, std::uint64_t addr, std::uint32_t bytes, Strength s, Site site) {
  ++global.version;
  if (!checks_global()) return;
  acquire_location(a, addr, s);
  global_access(a, addr, bytes, true, s.strong, site);
  release_location(a, addr, s);
}

void Cluster::global_fence(unsigned a) {
  if (!checks_global()) return;
  subscribe(a, pending_acquire_[a]);
  pending_acquire_[a].clear();
  fence_release_[a] = publish(a);
}

}  // namespace simt
