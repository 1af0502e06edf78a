// Device memory of a test: typed allocations far apart, so that every access outside one is seen.
#pragma once
#include <cstddef>
#include <cstring>
#include <map>
#include <type_traits>
#include <vector>

#include "tests/simt/machine/base.h"

namespace simt {

class DeviceHeap {
 public:
  DeviceHeap();
  ~DeviceHeap();
  DeviceHeap(const DeviceHeap&) = delete;
  DeviceHeap& operator=(const DeviceHeap&) = delete;

  /// `count` elements, every byte 0xff: NaN in every floating-point type.
  template <class T>
  T* poisoned(std::size_t count) {
    static_assert(std::is_trivially_copyable_v<T>);
    return static_cast<T*>(allocate(count * sizeof(T)));
  }
  template <class T>
  T* upload(const std::vector<T>& values) {
    T* device = poisoned<T>(values.size());
    if (!values.empty()) std::memcpy(static_cast<void*>(device), values.data(), values.size() * sizeof(T));
    return device;
  }
  template <class T>
  std::vector<T> download(const T* device, std::size_t count) const {
    check(device, count * sizeof(T), "download", nullptr);
    return {device, device + count};
  }
  void* allocate(std::size_t bytes);  // 256-byte aligned, as cudaMalloc's; poisoned
  /// Not poisoned but zero, and nothing of it in memory until it is touched: for arrays larger than the machine's.
  void* untouched(std::size_t bytes);
  void free(void* device);
  /// Memory of the host's that kernels may use too, as mapped host memory is; `free` forgets it.
  void adopt(void* host, std::size_t bytes);
  /// Whether `p` is device memory, live or not.
  bool holds(const void* p) const;
  /// To plant a mistake: every allocation counts as that much shorter than it is.
  void shorten(std::size_t bytes) { shortened_ = bytes; }

  /// Throws Error(OutOfBounds) unless [p, p + bytes) lies inside one live allocation.
  void check(const void* p, std::size_t bytes, const char* what, Site) const;

 private:
  unsigned char* base_;
  std::size_t used_ = 0, shortened_ = 0;
  std::map<std::uintptr_t, std::size_t> live_;
};

}  // namespace simt
