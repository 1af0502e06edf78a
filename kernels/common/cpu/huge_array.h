// Memory for what kernels pack: on huge pages, since a panel in ordinary ones takes more entries of the address
// translation cache than it has.
#pragma once
#include <cstddef>
#include <memory>

namespace assay::cpu {

struct Unmap {
  std::size_t bytes = 0;
  void operator()(void* data) const noexcept;
};

/// `count` elements, zero, and not in memory before they are written: on the writer's NUMA node.  Small arrays take
/// ordinary pages.
template <class T>
using HugeArray = std::unique_ptr<T[], Unmap>;

/// Throws std::bad_alloc.
void* map_huge(std::size_t bytes);

template <class T>
HugeArray<T> huge_array(std::size_t count) {
  const std::size_t bytes = (count > 0 ? count : 1) * sizeof(T);
  return HugeArray<T>(static_cast<T*>(map_huge(bytes)), Unmap{bytes});
}

}  // namespace assay::cpu
