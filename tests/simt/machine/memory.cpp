// Shared memory: the arena, bounds, generic-proxy accesses and bank conflicts.
#include <sys/mman.h>

#include <algorithm>
#include <new>

#include "tests/simt/machine/cluster.h"

namespace simt {
namespace {

/// Memory aligned to its size: low bits of host pointers equal those of shared-window addresses, so that alignment
/// checks carry over to generic addresses.
unsigned char* aligned_pages(std::size_t bytes) {
  void* p = mmap(nullptr, 2 * bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) throw std::bad_alloc();
  const auto start = reinterpret_cast<std::uintptr_t>(p), aligned = (start + bytes - 1) & ~(bytes - 1);
  if (aligned > start) munmap(p, aligned - start);
  if (start + bytes > aligned) munmap(reinterpret_cast<void*>(aligned + bytes), start + bytes - aligned);
  return reinterpret_cast<unsigned char*>(aligned);
}

}  // namespace

Cta::Cta(Cluster& cl, unsigned rank_, unsigned threads_, unsigned bytes)
    : cluster(cl), rank(rank_), threads(threads_), smem_bytes(bytes), alive_(threads_) {
  const Options& o = cl.opt;
  if (bytes > 227 * 1024)  // what a CTA can have on sm_90 and sm_100
    throw Error(Fault::OutOfBounds, format("%u bytes of shared memory; a CTA can have 232448", bytes));
  arena = aligned_pages(kArenaBytes);
  std::memset(arena + kSharedBase, 0xff, bytes);  // NaN in every floating-point type
  cp_.resize(threads), bulk_.resize(threads), wg_.resize((threads + 127) / 128);
  const unsigned regs = o.regs_per_thread ? o.regs_per_thread : std::min(255u, 65536 / threads / 8 * 8);
  for (auto& w : wg_) w.regs = regs;
  if (o.racecheck) shadow_.resize((kSharedBase + bytes + 1) / 2 + 8);
}

Cta::~Cta() { munmap(arena, kArenaBytes); }

bool Cta::in_arena(const void* p) const {
  return reinterpret_cast<std::uintptr_t>(p) - reinterpret_cast<std::uintptr_t>(arena) < kArenaBytes;
}

void Cta::check_range(std::uint32_t addr, std::uint32_t bytes, const char* what, Site s) const {
  const std::uint64_t low = kSharedBase, high = low + smem_bytes;
  if (addr < low || std::uint64_t(addr) + bytes > high)
    throw Error(Fault::OutOfBounds,
                format("%s of %u bytes at shared address 0x%x, shared memory is [0x%llx,0x%llx), at %s", what, bytes,
                       addr, (unsigned long long)low, (unsigned long long)high, symbolise(s).c_str()));
}

void Cta::generic_access(unsigned t, std::uint32_t addr, std::uint32_t bytes, bool is_write, Site s) {
  check_range(addr, bytes, is_write ? "write" : "read", s);
  if (!cluster.opt.racecheck) return;
  const unsigned a = cluster.agent(*this, t);
  const Clocks& k = cluster.clocks(a);
  cluster.access(*this, addr, bytes, is_write, false, {a, k.seen[a], s}, k);
}

void Cta::read(unsigned t, std::uint32_t addr, std::uint32_t bytes, Site s) {
  generic_access(t, addr, bytes, false, s);
}
void Cta::write(unsigned t, std::uint32_t addr, std::uint32_t bytes, Site s) {
  generic_access(t, addr, bytes, true, s);
}

void Cta::atomic(unsigned t, std::uint32_t addr, std::uint32_t bytes, Site s) {
  check_range(addr, bytes, "atomic", s);
  if (!cluster.opt.racecheck) return;
  const unsigned a = cluster.agent(*this, t);
  cluster.mark_atomic(*this, addr, bytes, {a, cluster.clocks(a).seen[a], s});
}

void Cta::count_bank_conflicts(const std::uint32_t* addr, unsigned bytes, std::uint32_t lanes) {
  const unsigned per_wavefront = bytes <= 4 ? 32 : bytes == 8 ? 16 : 8;  // lanes served together
  for (unsigned first = 0; first < 32; first += per_wavefront) {
    std::uint32_t word[32][32];  // distinct words asked of each bank
    unsigned used[32] = {}, worst = 0;
    for (unsigned l = first; l < first + per_wavefront; ++l) {
      if (!(lanes >> l & 1)) continue;
      for (unsigned b = 0; b < std::max(4u, bytes); b += 4) {
        const std::uint32_t w = addr[l] / 4 + b / 4, bank = w % 32;
        if (std::find(word[bank], word[bank] + used[bank], w) != word[bank] + used[bank]) continue;
        word[bank][used[bank]++] = w;
        worst = std::max(worst, used[bank]);
      }
    }
    if (worst) cluster.bank_conflicts += worst - 1;
  }
}

}  // namespace simt
