// Streams and events.
#include <algorithm>

#include "tests/simt/runtime/runtime.h"

using namespace simt::runtime;

namespace {

CUevent_st& event_of(cudaEvent_t event) {
  if (event == nullptr) throw ApiError{cudaErrorInvalidResourceHandle, "no event"};
  return *event;
}

std::shared_ptr<Marker> completed(const CUevent_st& event) {
  if (!event.timed || !event.last) throw ApiError{cudaErrorInvalidResourceHandle, "an event without a time"};
  if (!event.last->reached) throw ApiError{cudaErrorNotReady};
  return event.last;
}

}  // namespace

extern "C" {

/// Only streams that do not wait for the default stream: the program makes no others, and the default stream's
/// implicit waits are not modelled.
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return api([&](Runtime& runtime) {
    if (flags != cudaStreamNonBlocking)
      throw ApiError{cudaErrorNotSupported, "tests/simt/runtime has only streams made with cudaStreamNonBlocking"};
    *stream = new CUstream_st{runtime.current_ordinal()};
    runtime.current().streams.push_back(*stream);
  });
}

cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  return api([&](Runtime& runtime) {
    CUstream_st& stream = runtime.stream(handle);
    runtime.wait_for(stream);
    std::erase(runtime.device(stream.device).streams, &stream);
    delete &stream;
  });
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return api([&](Runtime& runtime) { runtime.wait_for(runtime.stream(stream)); });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned) {
  return api([&](Runtime& runtime) {
    if (event_of(event).last) runtime.enqueue(runtime.stream(handle), {nullptr, event->last, nullptr});
  });
}

/// For the module that stands for NCCL.
cudaError_t cudaLaunchHostFunc(cudaStream_t handle, cudaHostFn_t function, void* data) {
  return api([&](Runtime& runtime) {
    runtime.enqueue(runtime.stream(handle), {[=] { function(data); }, nullptr, nullptr});
  });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return api([&](Runtime& runtime) {
    *event = new CUevent_st{runtime.current_ordinal(), (flags & cudaEventDisableTiming) == 0};
  });
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return api([&](Runtime&) { delete &event_of(event); });
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t handle) {
  return api([&](Runtime& runtime) {
    CUstream_st& stream = runtime.stream(handle);
    if (event_of(event).device != stream.device)
      throw ApiError{cudaErrorInvalidResourceHandle, "the event is another device's than the stream"};
    auto marker = std::make_shared<Marker>(Marker{&stream});
    runtime.enqueue(stream, {nullptr, nullptr, marker});
    event->last = std::move(marker);
  });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return api([&](Runtime& runtime) {
    if (event_of(event).last && !event->last->reached) runtime.wait_for(*event->last);
  });
}

/// Of the host's clock.  What it says is how long the simulation took.
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t stop) {
  return api([&](Runtime&) {
    if (event_of(start).device != event_of(stop).device)
      throw ApiError{cudaErrorInvalidResourceHandle, "events of two devices"};
    *milliseconds = std::chrono::duration<float, std::milli>(completed(*stop)->at - completed(*start)->at).count();
  });
}

}  // extern "C"
