#include "harness/backends/cpu_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <string>

#include "harness/backends/cgroup.h"

namespace assay {
namespace {

constexpr std::size_t kHugePage = std::size_t(2) << 20;
constexpr std::size_t kAlignment = 256;
/// For everything else that runs, and for what the kernel needs to map the rest.
constexpr std::size_t kReserve = std::size_t(256) << 20;

std::size_t round_up(std::size_t bytes, std::size_t unit) { return (bytes + unit - 1) / unit * unit; }

std::size_t system_available() {
  std::ifstream in("/proc/meminfo");
  for (std::string line; std::getline(in, line);)
    if (line.rfind("MemAvailable:", 0) == 0)
      if (const auto kibibytes = std::strtoull(line.c_str() + 13, nullptr, 10); kibibytes > 0)
        return std::size_t(kibibytes) << 10;
  return std::numeric_limits<std::size_t>::max();
}

}  // namespace

std::size_t available_memory() {
  const std::size_t available =
      std::min(system_available(), cgroup_limits().memory_available.value_or(std::numeric_limits<std::size_t>::max()));
  return available > kReserve ? available - kReserve : 0;
}

// Small buffers come from the heap: cold rotation may ask for tens of thousands of them, more than the maps a process
// may have, and a huge page each would take a thousand times their size.
void* allocate_memory(std::size_t bytes) {
  if (bytes > std::numeric_limits<std::size_t>::max() / 2) return nullptr;
  if (bytes < kHugePage) return std::aligned_alloc(kAlignment, round_up(std::max<std::size_t>(bytes, 1), kAlignment));
  const std::size_t length = round_up(bytes, 4096), mapped = length + kHugePage;
  void* map = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (map == MAP_FAILED) return nullptr;
  const auto begin = reinterpret_cast<std::uintptr_t>(map), aligned = round_up(begin, kHugePage);
  // Cut off what sticks out, so that munmap of [data, data + length) gives everything back.
  if (aligned > begin) munmap(map, aligned - begin);
  munmap(reinterpret_cast<void*>(aligned + length), begin + mapped - (aligned + length));
  void* data = reinterpret_cast<void*>(aligned);
  madvise(data, length, MADV_HUGEPAGE);  // refused where huge pages are switched off: ordinary pages then
  return data;
}

void free_memory(void* data, std::size_t bytes) noexcept {
  if (bytes < kHugePage)
    std::free(data);
  else
    munmap(data, round_up(bytes, 4096));
}

}  // namespace assay
