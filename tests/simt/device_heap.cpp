#include "tests/simt/device_heap.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

namespace simt {
namespace {
constexpr std::size_t kReserved = std::size_t(1) << 38;  // address space only: pages are committed when touched
constexpr std::size_t kGap = 1 << 20;                    // an index wrong by a row or a tile lands in no allocation
}  // namespace

DeviceHeap::DeviceHeap() {
  void* p = mmap(nullptr, kReserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) throw std::bad_alloc();
  base_ = static_cast<unsigned char*>(p);
}

DeviceHeap::~DeviceHeap() { munmap(base_, kReserved); }

void* DeviceHeap::allocate(std::size_t bytes) {
  void* p = untouched(bytes);
  std::memset(p, 0xff, bytes);
  return p;
}

void* DeviceHeap::untouched(std::size_t bytes) {
  const std::size_t start = used_ + kGap, end = start + bytes;
  if (end + kGap > kReserved) throw std::bad_alloc();
  used_ = (end + 4095) & ~std::size_t(4095);
  unsigned char* p = base_ + start;
  live_[reinterpret_cast<std::uintptr_t>(p)] = bytes;
  return p;
}

void DeviceHeap::free(void* device) {
  const auto found = live_.find(reinterpret_cast<std::uintptr_t>(device));
  if (found == live_.end()) throw Error(Fault::OutOfBounds, "free of an address that is not an allocation's first");
  if (holds(device)) madvise(device, found->second, MADV_DONTNEED);  // addresses are not used again
  live_.erase(found);
}

void DeviceHeap::adopt(void* host, std::size_t bytes) { live_[reinterpret_cast<std::uintptr_t>(host)] = bytes; }

bool DeviceHeap::holds(const void* p) const {
  return reinterpret_cast<std::uintptr_t>(p) - reinterpret_cast<std::uintptr_t>(base_) < kReserved;
}

void DeviceHeap::check(const void* p, std::size_t bytes, const char* what, Site site) const {
  const auto address = reinterpret_cast<std::uintptr_t>(p);
  auto after = live_.upper_bound(address);
  if (after != live_.begin()) {
    const auto start = std::prev(after)->first;
    const std::size_t whole = std::prev(after)->second, size = whole - std::min(whole, shortened_);
    if (address + bytes <= start + size) return;
    if (address - start < size + kGap / 2)
      throw Error(Fault::OutOfBounds,
                  format("global %s of %zu bytes, %zu bytes past the end of an allocation of %zu, at %s", what, bytes,
                         std::size_t(address + bytes - start - size), size, symbolise(site).c_str()));
  }
  if (after != live_.end() && after->first - address <= kGap / 2)
    throw Error(Fault::OutOfBounds,
                format("global %s of %zu bytes, %zu bytes before an allocation of %zu, at %s", what, bytes,
                       std::size_t(after->first - address), after->second, symbolise(site).c_str()));
  throw Error(Fault::OutOfBounds, format("global %s of %zu bytes at %p, which is in no allocation, at %s", what, bytes,
                                         p, symbolise(site).c_str()));
}

}  // namespace simt
