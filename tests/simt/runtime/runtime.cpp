#include "tests/simt/runtime/runtime.h"

#include <algorithm>

namespace simt::runtime {
namespace {

cudaError_t error_for(Fault fault) {
  switch (fault) {
    case Fault::OutOfBounds:
      return cudaErrorIllegalAddress;
    case Fault::Misaligned:
      return cudaErrorMisalignedAddress;
    case Fault::Deadlock:
      return cudaErrorLaunchTimeout;
    case Fault::Unsupported:
      return cudaErrorIllegalInstruction;
    default:
      return cudaErrorLaunchFailure;
  }
}

/// Faults are told in several lines; an error's text is one.
std::string one_line(std::string text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') {
      out += ";";
    } else if (!(c == ' ' && !out.empty() && out.back() == ' ')) {
      out += c;
    }
  }
  return out;
}

}  // namespace

thread_local int Runtime::current_ = 0;

Runtime& Runtime::get() {
  static Runtime* const runtime = new Runtime;
  return *runtime;
}

Runtime::Runtime() : random_(settings().machine.seed) {
  for (int ordinal = 0; ordinal < settings().devices; ++ordinal) {
    devices_.push_back(std::make_unique<Device>());
    devices_.back()->default_stream = std::make_unique<CUstream_st>(CUstream_st{ordinal});
    devices_.back()->streams.push_back(devices_.back()->default_stream.get());
  }
}

Device& Runtime::device(int ordinal) {
  if (ordinal < 0 || ordinal >= count()) throw ApiError{cudaErrorInvalidDevice};
  return *devices_[std::size_t(ordinal)];
}

void Runtime::select(int ordinal) {
  device(ordinal);
  current_ = ordinal;
}

CUstream_st& Runtime::stream(cudaStream_t stream) {
  if (stream == nullptr) return *current().default_stream;
  for (const auto& d : devices_)
    if (std::find(d->streams.begin(), d->streams.end(), stream) != d->streams.end()) return *stream;
  throw ApiError{cudaErrorInvalidResourceHandle, "this stream does not exist"};
}

void Runtime::enqueue(CUstream_st& stream, Work work) {
  if (device(stream.device).fault != cudaSuccess) throw ApiError{device(stream.device).fault};
  stream.queue.push_back(std::move(work));
}

void Runtime::wait_for(CUstream_st& stream) {
  while (!stream.queue.empty()) step_another(), step(stream);
  if (device(stream.device).fault != cudaSuccess) throw ApiError{device(stream.device).fault};
}

void Runtime::wait_for(const Marker& marker) {
  const int ordinal = marker.stream->device;
  while (!marker.reached) step_another(), step(*marker.stream);
  if (device(ordinal).fault != cudaSuccess) throw ApiError{device(ordinal).fault};
}

void Runtime::wait_for_device(int ordinal) {
  for (CUstream_st* stream : device(ordinal).streams) wait_for(*stream);
}

/// Under streams=random: before what is waited for, work that could as well have been done by now.
void Runtime::step_another() {
  if (!settings().random_streams || random_() % 2) return;
  std::vector<CUstream_st*> ready;
  for (const auto& d : devices_)
    for (CUstream_st* stream : d->streams)
      if (!stream->queue.empty()) ready.push_back(stream);
  if (!ready.empty()) step(*ready[random_() % ready.size()]);
}

/// Does the stream's next work, and before it what that waits for.  Streams cannot wait for each other in a circle:
/// a wait is for what was recorded before it.
void Runtime::step(CUstream_st& stream) {
  if (stream.queue.empty()) return;
  while (!stream.queue.empty() && stream.queue.front().after && !stream.queue.front().after->reached)
    step(*stream.queue.front().after->stream);
  if (stream.queue.empty()) return;  // a fault emptied it
  const Work work = std::move(stream.queue.front());
  stream.queue.pop_front();
  run(stream, work);
}

void Runtime::run(CUstream_st& stream, const Work& work) {
  try {
    if (work.run) work.run();
  } catch (const Error& error) {
    fail(device(stream.device), error_for(error.fault), one_line(error.what()));
  }
  if (!work.reaches) return;
  work.reaches->reached = true;
  work.reaches->at = std::chrono::steady_clock::now();
}

/// Nothing more runs on the device; nobody waits for what will not come.
void Runtime::fail(Device& device, cudaError_t code, const std::string& text) {
  device.fault = code, device.fault_text = text;
  for (CUstream_st* stream : device.streams) {
    for (const Work& work : stream->queue)
      if (work.reaches) work.reaches->reached = true;
    stream->queue.clear();
  }
}

int Runtime::device_of(const void* p) const {
  for (int ordinal = 0; ordinal < count(); ++ordinal)
    if (devices_[std::size_t(ordinal)]->heap.holds(p)) return ordinal;
  return -1;
}

bool Runtime::is_pinned(const void* p) const {
  return std::any_of(pinned_.begin(), pinned_.end(), [&](const auto& block) {
    return p >= block.first && p < static_cast<const char*>(block.first) + block.second;
  });
}

LastError& last_error() {
  thread_local LastError error;
  return error;
}

}  // namespace simt::runtime
