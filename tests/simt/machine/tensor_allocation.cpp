// tcgen05.alloc, dealloc and relinquish_alloc_permit.  A CTA has the tensor memory of its SM to itself here.
#include "tests/simt/machine/cluster.h"
#include "tests/simt/machine/tensor_memory.h"

namespace simt {

/// PTX ISA, tcgen05.mma: all tcgen05 instructions of a kernel must name the same cta_group.
void TensorCores::use_group(const Cta& c, int cta_group, Site s) {
  int& used = memory_[c.rank].cta_group;
  if (used && used != cta_group)
    throw Error(Fault::TensorMemory, format("cta_group::%d where cta_group::%d was used before, at %s", cta_group, used,
                                            symbolise(s).c_str()));
  used = cta_group;
}

/// The CTAs that an instruction concerns: this one, or the pair it belongs to, even rank first.
std::vector<const Cta*> TensorCores::group(const Cta& c, int cta_group, Site s) const {
  if (cta_group == 1) return {&c};
  if (cluster_.cta.size() % 2)
    throw Error(Fault::TensorMemory,
                format("cta_group::2 in a cluster of %zu, at %s", cluster_.cta.size(), symbolise(s).c_str()));
  return {cluster_.cta[c.rank & ~1u].get(), cluster_.cta[c.rank | 1].get()};
}

/// The lowest run of columns that is free in every CTA.
bool TensorCores::find_free(const std::vector<const Cta*>& ctas, std::uint32_t columns, std::uint32_t& first) {
  const auto is_free = [&](std::uint32_t from) {
    for (const Cta* c : ctas)
      for (const auto& [start, size] : memory(*c).allocations)
        if (from < start + size && start < from + columns) return false;
    return true;
  };
  for (first = 0; first + columns <= kColumns; first += 32)
    if (is_free(first)) return true;
  return false;
}

bool TensorCores::allocate(const Cta& c, unsigned, std::uint32_t columns, int cta_group, std::uint32_t& address,
                           Site s) {
  use_group(c, cta_group, s);
  Memory& m = memory(c);
  const auto wrong = [&](const std::string& what) {
    throw Error(Fault::TensorMemory, "tcgen05.alloc " + what + ", at " + symbolise(s));
  };
  if (columns < 32 || columns > kColumns || (columns & (columns - 1)))
    wrong(format("of %u columns: a power of two from 32 to 512 is expected", columns));
  if (m.relinquished) wrong("after tcgen05.relinquish_alloc_permit");
  if (columns > m.last_size)
    wrong(format("of %u columns after one of %u: sizes must not increase", columns, m.last_size));
  const auto take = [&](const Cta& cta, std::uint32_t first) {
    Memory& own = memory(cta);
    own.allocations[first] = own.last_size = columns;
    for (unsigned column = first; column < first + columns; ++column) {
      for (unsigned lane = 0; lane < kLanes; ++lane) word(cta, lane, column) = ~0u;  // NaN
      for (unsigned sixteenth = 0; sixteenth < kLanes / 16; ++sixteenth) own.cells[sixteenth * kColumns + column] = {};
    }
    ++cluster_.version;
  };
  const auto ctas = group(c, cta_group, s);
  if (cta_group == 1) {
    if (!find_free(ctas, columns, address)) return false;
    take(c, address);
    return true;
  }
  if (m.request.granted) {  // by the peer, which came later
    address = m.request.address, m.request = {};
    return true;
  }
  Memory& peer = memory(*cluster_.cta[c.rank ^ 1]);
  m.request.columns = columns;
  if (!peer.request.columns || peer.request.granted) return false;
  if (peer.request.columns != columns)
    wrong(format("of %u columns by one CTA of a pair and of %u by the other", columns, peer.request.columns));
  if (!find_free(ctas, columns, address)) return false;
  for (const Cta* cta : ctas) take(*cta, address);
  peer.request.address = address, peer.request.granted = true, m.request = {};
  return true;
}

void TensorCores::deallocate(const Cta& c, unsigned warp, std::uint32_t address, std::uint32_t columns, int cta_group,
                             Site s) {
  use_group(c, cta_group, s);
  Memory& m = memory(c);
  const auto it = m.allocations.find(address);
  if (it == m.allocations.end() || it->second != columns)
    throw Error(Fault::TensorMemory,
                format("tcgen05.dealloc of %u columns at 0x%x, which is not an allocation%s, at %s", columns, address,
                       m.allocations.empty() ? " (none is left)" : "", symbolise(s).c_str()));
  if (cluster_.opt.racecheck) {  // whoever used it must be done; that alone needs no tcgen05.fence
    const unsigned own = warp_index(c, warp);
    const auto& seen = cluster_.clocks(cluster_.agent(c, warp * 32)).seen;
    const auto check = [&](const Epoch& e) {
      const unsigned owner = (e.agent - first_agent_) / kAgentsPerWarp,
                     kind = (e.agent - first_agent_) % kAgentsPerWarp;
      if (!e.clock || e.clock <= seen[e.agent] || (owner == own && e.clock <= warps_[own].waited[kind])) return;
      throw Error(Fault::Race, format("tcgen05.dealloc at %s is not ordered after the access by %s at %s",
                                      symbolise(s).c_str(), agent_name(e.agent).c_str(), symbolise(e.site).c_str()));
    };
    for (unsigned sixteenth = 0; sixteenth < kLanes / 16; ++sixteenth)
      for (unsigned column = address; column < address + columns; ++column) {
        const TensorCell& cell = m.cells[sixteenth * kColumns + column];
        check(cell.write), check(cell.read[0]), check(cell.read[1]);
      }
  }
  m.allocations.erase(it);
  ++cluster_.version;
}

void TensorCores::relinquish(const Cta& c, int cta_group, Site s) {
  use_group(c, cta_group, s);
  memory_[c.rank].relinquished = true;
}

void TensorCores::check_deallocated(const Cta& c) const {
  for (const auto& [first, columns] : memory_[c.rank].allocations)
    throw Error(Fault::TensorMemory, format("cta %u exits with %u columns of tensor memory at 0x%x not deallocated",
                                            c.rank, columns, first));
}

}  // namespace simt
