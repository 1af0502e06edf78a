// cp.async: per-thread copies in groups.
#include "tests/simt/machine/cluster.h"

namespace simt {

void Cta::cp_async(unsigned t, std::uint32_t dst, const void* src, std::uint32_t bytes, std::uint32_t src_bytes,
                   Site s) {
  if (dst % bytes || reinterpret_cast<std::uintptr_t>(src) % bytes)
    throw Error(Fault::Misaligned,
                format("cp.async %p -> 0x%x, %u bytes, at %s", src, dst, bytes, symbolise(s).c_str()));
  if (src_bytes > bytes)
    throw Error(Fault::Async,
                format("cp.async with src-size %u > cp-size %u, at %s", src_bytes, bytes, symbolise(s).c_str()));
  check_range(dst, bytes, "cp.async write", s);
  CpOp op{dst, src, bytes, src_bytes, cluster.snapshot(cluster.agent(*this, t)), s, false};
  const Async a = cluster.opt.async;
  if (a == Async::Eager || (a == Async::Random && cluster.coin())) perform(t, op);
  cp_[t].open.push_back(std::move(op));
}

void Cta::perform(unsigned t, CpOp& op) {
  if (op.done) return;
  op.done = true;
  const unsigned engine = cluster.cp_agent(cluster.agent(*this, t));
  cluster.access(*this, op.dst, op.bytes, true, false, {engine, cp_[t].committed + 1, op.site}, op.clk);
  std::memcpy(arena + op.dst, op.src, op.src_bytes);
  std::memset(arena + op.dst + op.src_bytes, 0, op.bytes - op.src_bytes);
}

void Cta::cp_async_commit(unsigned t) {
  auto& g = cp_[t];
  g.closed.push_back(std::move(g.open));
  g.open.clear();
  ++g.committed;
}

void Cta::cp_async_wait(unsigned t, unsigned pending) {
  auto& g = cp_[t];
  const unsigned a = cluster.agent(*this, t);
  while (g.closed.size() > pending) {
    const Clock now = g.committed;
    g.committed = Clock(now - g.closed.size());  // perform() stamps the group the copy belongs to
    for (auto& op : g.closed.front()) perform(t, op);
    if (cluster.opt.racecheck) cluster.clocks(a).seen[cluster.cp_agent(a)] = g.committed + 1;
    g.committed = now;
    g.closed.pop_front();
  }
}

void Cta::cp_async_wait_all(unsigned t) {
  cp_async_commit(t);
  cp_async_wait(t, 0);
}

}  // namespace simt
