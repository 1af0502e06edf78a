#include "tests/simt/machine/clocks.h"

#include <algorithm>

namespace simt {

void join(std::vector<Clock>& into, const std::vector<Clock>& from) {
  if (into.empty()) {
    into = from;
    return;
  }
  for (std::size_t i = 0; i < from.size(); ++i) into[i] = std::max(into[i], from[i]);
}

void Clocks::join(const Clocks& other) {
  simt::join(seen, other.seen);
  simt::join(proxy, other.proxy);
  for (const auto& [cluster, clocks] : other.foreign) join_foreign(cluster, clocks);
}

void Clocks::join_foreign(unsigned cluster, const std::shared_ptr<const std::vector<Clock>>& clocks) {
  auto& mine = foreign[cluster];
  if (!mine || mine == clocks) {
    mine = clocks;
    return;
  }
  auto joined = std::make_shared<std::vector<Clock>>(*mine);
  simt::join(*joined, *clocks);
  mine = std::move(joined);
}

}  // namespace simt
