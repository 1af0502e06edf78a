#include "tests/simt/machine/cluster.h"

#include <algorithm>

namespace simt {

namespace {
constexpr unsigned kLoadSlots = 64;  // bulk loads in flight that the race detector can tell apart, per CTA
}

Cluster::Cluster(const Options& o, unsigned id_, unsigned ctas, unsigned threads, unsigned smem_bytes, GlobalMemory& g)
    : opt(o),
      id(id_),
      global(g),
      rng(o.seed * 1000003 + id_),
      threads_(threads),
      nthreads_(ctas * threads),
      wgs_((threads + 127) / 128),
      load_base_(3 * nthreads_ + ctas * wgs_),
      load_slots_(kLoadSlots * ctas),
      load_clock_(load_slots_) {
  const unsigned warps = (threads + 31) / 32, tensor_base = load_base_ + load_slots_;
  const unsigned agents = tensor_base + ctas * warps * TensorCores::kAgentsPerWarp;
  tensor = std::make_unique<TensorCores>(*this, tensor_base, ctas, warps);
  if (opt.racecheck) {
    clocks_.resize(nthreads_);
    for (unsigned a = 0; a < nthreads_; ++a) clocks_[a].resize(agents), clocks_[a].seen[a] = 1;
  }
  if (checks_global()) fence_release_.resize(nthreads_), pending_acquire_.resize(nthreads_);
  for (unsigned r = 0; r < ctas; ++r) cta.push_back(std::make_unique<Cta>(*this, r, threads, smem_bytes));
}

void Cluster::finish() {
  if (!loads_.empty())
    throw Error(Fault::Async, format("kernel exited with %zu bulk tensor load(s) outstanding, first issued at %s",
                                     loads_.size(), symbolise(loads_[0].site).c_str()));
  tensor->finish();
  for (const auto& one : cta) one->check_signals();
}

std::uint64_t Cluster::cluster_arrive(unsigned a) {
  release(a, barrier_.current);
  const std::uint64_t generation = barrier_.generation;
  if (++barrier_.arrived == nthreads_) {
    barrier_.arrived = 0, ++barrier_.generation, ++version;
    barrier_.completed.join(barrier_.current);
  }
  return generation;
}

void Cluster::cluster_acquire(unsigned a) { acquire(a, barrier_.completed); }

}  // namespace simt
