// Streams and events.  Work waits in its stream until somebody waits for it: the latest moment that the CUDA
// programming model allows, so that what lacks an event or a wait reads what is not there yet.
#pragma once
#include <cuda_runtime_api.h>

#include <chrono>
#include <deque>
#include <functional>
#include <memory>

namespace simt::runtime {

/// A place in a stream that events record.
struct Marker {
  CUstream_st* stream = nullptr;
  bool reached = false;
  std::chrono::steady_clock::time_point at{};  // when: the host's clock, which says nothing about any GPU
};

struct Work {
  std::function<void()> run;        // may be empty
  std::shared_ptr<Marker> after;    // not before this one is reached
  std::shared_ptr<Marker> reaches;  // when it has run
};

}  // namespace simt::runtime

struct CUstream_st {
  int device = 0;
  std::deque<simt::runtime::Work> queue{};
};

struct CUevent_st {
  int device = 0;
  bool timed = true;
  std::shared_ptr<simt::runtime::Marker> last{};  // null: never recorded
};
