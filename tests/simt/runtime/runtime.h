// The state behind the CUDA runtime's functions: devices, their memory and streams, and errors.
#pragma once
#include <cuda_runtime_api.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "tests/simt/device_heap.h"
#include "tests/simt/runtime/settings.h"
#include "tests/simt/runtime/streams.h"

namespace simt::runtime {

/// What a function of the API answers instead of cudaSuccess; `detail` is appended to the error's text.
struct ApiError {
  cudaError_t code;
  std::string detail = {};
};

struct Device {
  DeviceHeap heap;
  std::map<const void*, std::size_t> allocations;
  std::size_t used = 0;
  std::unique_ptr<CUstream_st> default_stream;
  std::vector<CUstream_st*> streams;  // the default one first, then in the order of their making
  cudaError_t fault = cudaSuccess;    // of a kernel: stays, as on a device whose context is lost
  std::string fault_text;
};

class Runtime {
 public:
  /// Never destroyed: the program's own static objects may free memory later.
  static Runtime& get();

  Device& device(int ordinal);
  Device& current() { return device(current_); }
  int current_ordinal() const { return current_; }
  void select(int ordinal);
  int count() const { return int(devices_.size()); }
  CUstream_st& stream(cudaStream_t);  // null: the current device's default stream

  void enqueue(CUstream_st&, Work);
  void wait_for(CUstream_st&);   // until it is empty
  void wait_for(const Marker&);  // until it is reached
  void wait_for_device(int ordinal);

  /// The device that `p` lies in; -1: the host.
  int device_of(const void* p) const;
  bool is_pinned(const void* p) const;
  std::map<void*, std::size_t>& pinned() { return pinned_; }

  std::recursive_mutex mutex;

 private:
  Runtime();
  void step(CUstream_st&);
  void step_another();
  void run(CUstream_st&, const Work&);
  void fail(Device&, cudaError_t, const std::string&);

  std::vector<std::unique_ptr<Device>> devices_;
  std::map<void*, std::size_t> pinned_;
  std::mt19937_64 random_;
  static thread_local int current_;
};

/// Of this thread: what cudaGetLastError answers, and what the last error with a detail said.
struct LastError {
  cudaError_t code = cudaSuccess;
  ApiError detailed{cudaSuccess};
};
LastError& last_error();

/// Runs the body of an API function: every one goes through here.
template <class Body>
cudaError_t api(const Body& body) {
  Runtime& runtime = Runtime::get();
  const std::lock_guard lock(runtime.mutex);
  LastError& last = last_error();
  try {
    if (runtime.current().fault != cudaSuccess) throw ApiError{runtime.current().fault};
    body(runtime);
    if (runtime.current().fault != cudaSuccess) throw ApiError{runtime.current().fault};
    return cudaSuccess;
  } catch (const ApiError& error) {
    if (!error.detail.empty()) last.detailed = error;
    return last.code = error.code;
  } catch (const Error& error) {
    last.detailed = {cudaErrorInvalidValue, error.what()};
    return last.code = cudaErrorInvalidValue;
  }
}

}  // namespace simt::runtime
