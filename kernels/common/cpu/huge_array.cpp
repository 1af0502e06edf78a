#include "kernels/common/cpu/huge_array.h"

#include <sys/mman.h>

#include <cstdint>
#include <new>

namespace assay::cpu {
namespace {

constexpr std::size_t kHugePage = std::size_t(2) << 20;

constexpr std::size_t kPage = std::size_t(4) << 10;

std::size_t round_up(std::size_t bytes, std::size_t unit) { return (bytes + unit - 1) / unit * unit; }

/// Half a huge page or more takes whole ones; less would waste most of one, and the time to clear it.
bool takes_huge_pages(std::size_t bytes) { return bytes >= kHugePage / 2; }
std::size_t mapped_bytes(std::size_t bytes) { return round_up(bytes, takes_huge_pages(bytes) ? kHugePage : kPage); }

}  // namespace

void* map_huge(std::size_t bytes) {
  const std::size_t length = mapped_bytes(bytes), slack = takes_huge_pages(bytes) ? kHugePage : 0;
  void* map = mmap(nullptr, length + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED) throw std::bad_alloc();
  if (slack == 0) return map;
  const auto begin = reinterpret_cast<std::uintptr_t>(map), aligned = round_up(begin, kHugePage);
  // Cut off what sticks out, so that unmapping the array gives everything back.
  if (aligned > begin) munmap(map, aligned - begin);
  munmap(reinterpret_cast<void*>(aligned + length), begin + slack - aligned);
  void* data = reinterpret_cast<void*>(aligned);
  madvise(data, length, MADV_HUGEPAGE);  // refused where huge pages are switched off: ordinary pages then
  return data;
}

void Unmap::operator()(void* data) const noexcept { munmap(data, mapped_bytes(bytes)); }

}  // namespace assay::cpu
