// The few driver calls that run a PTX kernel, loaded at run time: the program starts where there is no driver.
#pragma once
#include <cuda.h>
#include <dlfcn.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace simt::conformance {

struct NoGpu : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The first GPU, with its primary context current.
class Gpu {
 public:
  Gpu();
  ~Gpu();
  Gpu(const Gpu&) = delete;
  Gpu& operator=(const Gpu&) = delete;

  std::string name() const { return name_; }
  int compute_capability() const { return capability_; }  // 90 for sm_90
  CUmodule load(const std::string& ptx) const;
  /// Uploads, freed with the object.
  CUdeviceptr upload(const void* data, std::size_t bytes);
  std::vector<std::uint32_t> download(CUdeviceptr, std::size_t words) const;
  void launch(CUmodule, const char* kernel, unsigned threads, void** arguments) const;
  /// One cluster of `ctas`, with dynamic shared memory.
  void launch_cluster(CUmodule, const char* kernel, unsigned ctas, unsigned threads, unsigned shared_bytes,
                      void** arguments) const;
  CUtensorMap encode(const void* base, const cuuint64_t* dim, cuuint64_t row_bytes, const cuuint32_t* box,
                     CUtensorMapSwizzle) const;

 private:
  template <class F>
  F* symbol(const char* name) const;
  void check(CUresult, const char* what) const;
  void* library_ = nullptr;
  CUdevice device_ = 0;
  std::string name_;
  int capability_ = 0;
  std::vector<CUdeviceptr> memory_;
};

}  // namespace simt::conformance
