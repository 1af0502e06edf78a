// Vector clocks.  An agent is a thread, or the asynchronous engine working for one; `Epoch` names one of its moments.
#pragma once
#include <map>
#include <memory>
#include <vector>

#include "tests/simt/machine/base.h"

namespace simt {

using Clock = std::uint32_t;

/// What has happened before now, by agent of the own cluster; threads of other clusters stand in `foreign`.
struct Clocks {
  std::vector<Clock> seen;
  std::vector<Clock> proxy;  // the part of `seen` made visible to the async proxy
  std::map<unsigned, std::shared_ptr<const std::vector<Clock>>> foreign;  // by cluster

  void resize(std::size_t agents) { seen.assign(agents, 0), proxy.assign(agents, 0); }
  void join(const Clocks&);
  void join_foreign(unsigned cluster, const std::shared_ptr<const std::vector<Clock>>&);
  bool empty() const { return seen.empty(); }
};
void join(std::vector<Clock>& into, const std::vector<Clock>& from);

struct Epoch {
  std::uint32_t agent = 0;
  Clock clock = 0;
  Site site = nullptr;
};

/// Shadow of one 2-byte granule of shared memory.
struct Cell {
  Epoch write;
  Epoch read[2];
  bool async_write = false, atomic_write = false;
};

}  // namespace simt
