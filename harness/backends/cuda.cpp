// One GPU, or several that work together, as a backend: a stream and a pair of events on each.
#include <algorithm>
#include <memory>

#include "harness/backends/backend.h"
#include "harness/backends/cuda_device.h"
#include "harness/backends/cuda_shared_hold.h"
#include "harness/backends/cuda_slot.h"
#include "harness/core/error.h"
#include "harness/core/units.h"

namespace assay {
namespace {

using Slot = CudaSlot;

constexpr int kMostTimeouts = 3;  // of the hold, before it stays off

class CudaBackend final : public Backend {
 public:
  CudaBackend(const std::vector<int>& ordinals, LaunchesMeet meet) : meet_(meet) {
    for (const int ordinal : ordinals) slots_.push_back(std::make_unique<Slot>(ordinal));
    at(0).use();
    hold_ = std::make_unique<SharedHold>(ordinals.front());
    load_own_kernels();
  }

  Target target(int slot) const override { return at(slot).target; }
  int slots() const override { return int(slots_.size()); }
  Stream stream(int slot) const override { return at(slot).stream; }
  Stream second_stream(int slot) const override {
    at(slot).use();
    at(slot).uses_second = true;
    return at(slot).second;
  }
  void fork_second(int slot) override {
    const Slot& s = at(slot);
    order(s, s.stream, s.first_done, second_stream(slot));
  }
  void join_second(int slot) override {
    at(slot).use();
    join_second(at(slot));
  }

  Buffer allocate(std::size_t bytes, int slot) override;
  void copy_in(const Buffer& to, const void* from, std::size_t bytes) override {
    on(to.slot(), "copying to it",
       [&](const Slot& s) { return cudaMemcpyAsync(to.data(), from, bytes, cudaMemcpyHostToDevice, s.stream); });
  }
  void copy_out(void* to, const Buffer& from, std::size_t bytes) override {
    on(from.slot(), "copying from it",
       [&](const Slot& s) { return cudaMemcpyAsync(to, from.data(), bytes, cudaMemcpyDeviceToHost, s.stream); });
  }
  void fill(const Buffer& buffer, std::uint8_t byte) override {
    on(buffer.slot(), "filling its memory",
       [&](const Slot& s) { return cudaMemsetAsync(buffer.data(), byte, buffer.bytes(), s.stream); });
  }
  void enqueue_copy_in(void* to, const void* from, std::size_t bytes, int slot) override {
    enqueue_on(slot, "copying to it",
               [&](const Slot& s) { return cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, s.stream); });
  }
  void enqueue_copy_out(void* to, const void* from, std::size_t bytes, int slot) override {
    enqueue_on(slot, "copying from it",
               [&](const Slot& s) { return cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, s.stream); });
  }
  void enqueue_fill(void* to, std::uint8_t byte, std::size_t bytes, int slot) override {
    enqueue_on(slot, "filling its memory", [&](const Slot& s) { return cudaMemsetAsync(to, byte, bytes, s.stream); });
  }
  HostMemory allocate_host(std::size_t bytes) override;
  std::size_t free_bytes(int slot) const override {
    expect_no_fault();
    std::size_t free = 0, total = 0;
    at(slot).use();
    at(slot).check(cudaMemGetInfo(&free, &total), "reading its free memory");
    at(0).use();
    return free;
  }

  double time(const std::function<void()>& enqueue) override;
  std::vector<double> slot_seconds() const override { return slot_seconds_; }
  void launch_empty() override {
    for (const auto& slot : slots_) {
      slot->use();
      slot->check(launch_empty_kernel(slot->stream), "launching an empty kernel");
    }
    at(0).use();
  }
  void synchronize() override;
  std::string fault() override;
  /// A fault of a kernel ends the device's context: every later call would report the same error, case after case.
  void expect_no_fault() const override {
    if (!fault_.empty()) throw MeasureError(kAfterFault + fault_);
  }
  void settle() override { at(0).use(); }
  std::size_t last_level_cache_bytes() const override {
    expect_no_fault();
    int bytes = 0;
    at(0).check(cudaDeviceGetAttribute(&bytes, cudaDevAttrL2CacheSize, at(0).target.index), "reading its L2 size");
    return std::size_t(bytes);
  }

 private:
  const Slot& at(int slot) const { return *slots_.at(std::size_t(slot)); }
  void release(void* data, std::size_t, int slot) noexcept override {
    cudaSetDevice(at(slot).target.index);
    cudaFree(data);  // after a fault this fails; the memory goes with the process
    cudaSetDevice(at(0).target.index);
    cudaGetLastError();  // that failure is no other GPU's: its next launch must not report it
  }

  /// Runs one call on a slot's device and waits for its stream.
  template <class Call>
  void on(int slot, const char* what, const Call& call) {
    expect_no_fault();
    const Slot& s = at(slot);
    s.use();
    check_work(s, call(s), what);
    check_work(s, cudaStreamSynchronize(s.stream), what);
    at(0).use();
  }

  template <class Call>
  void enqueue_on(int slot, const char* what, const Call& call) {
    expect_no_fault();
    const Slot& s = at(slot);
    s.use();
    check_work(s, call(s), what);
    at(0).use();
  }

  /// An error that stays after it was read is a fault; a wrong argument or too large a request is not.  `again`: of a
  /// call made after that.
  void note_fault(const Slot& slot, cudaError_t again) {
    if (again != cudaSuccess && fault_.empty())
      fault_ = std::string(cudaGetErrorName(again)) + " on GPU " + std::to_string(slot.target.index);
    cudaGetLastError();
  }
  void check_work(const Slot& slot, cudaError_t error, const std::string& what) {
    if (error == cudaSuccess) return;
    cudaGetLastError();
    note_fault(slot, cudaStreamSynchronize(slot.stream));
    slot.check(error, what);
  }

  void load_own_kernels();
  /// What is put on `then` from now on comes after all that is on `first` by now.
  void order(const Slot& slot, cudaStream_t first, cudaEvent_t done, Stream then) {
    check_work(slot, cudaEventRecord(done, first), "ordering its streams");
    check_work(slot, cudaStreamWaitEvent(then, done, 0), "ordering its streams");
  }
  /// The first stream goes on when the second has done what it was given.
  void join_second(const Slot& slot) {
    if (!slot.uses_second) return;
    order(slot, slot.second, slot.second_done, slot.stream);
  }
  void start_all(bool held);
  double finish_all();

  const LaunchesMeet meet_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::unique_ptr<SharedHold> hold_;
  std::vector<double> slot_seconds_;  // of the last time()
  bool may_hold_ = true;
  int timeouts_ = 0;  // of the hold
  std::string fault_;
};

Buffer CudaBackend::allocate(std::size_t bytes, int slot) {
  expect_no_fault();
  at(slot).use();
  void* data = nullptr;
  const cudaError_t error = cudaMalloc(&data, bytes);
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    throw MeasureError("GPU " + std::to_string(at(slot).target.index) + ": cannot allocate " + format_bytes(bytes) +
                       ": " + format_bytes(free_bytes(slot)) + " are free");
  }
  check_work(at(slot), error, "allocating " + format_bytes(bytes));
  at(0).use();
  return Buffer(this, slot, data, bytes);
}

HostMemory CudaBackend::allocate_host(std::size_t bytes) {
  expect_no_fault();
  void* data = nullptr;
  at(0).use();
  check_work(at(0), cudaHostAlloc(&data, bytes, cudaHostAllocPortable),
             "allocating " + format_bytes(bytes) + " of host memory");
  return {static_cast<std::byte*>(data), [](std::byte* memory) { cudaFreeHost(memory); }};
}

/// The runtime loads a kernel's code at its first launch, which may wait for the device: behind a hold, for ever.
void CudaBackend::load_own_kernels() {
  for (const auto& slot : slots_) {
    slot->use();
    const cudaError_t loaded = launch_hold(hold_->state(), 0, slot->stream);  // ticket 0 ends at once
    if (loaded == cudaErrorNoKernelImageForDevice) throw MeasureError(built_for_others(slot->target));
    slot->check(loaded, "loading the hold kernel");
    slot->check(launch_empty_kernel(slot->stream), "loading the empty kernel");
    slot->check(cudaStreamSynchronize(slot->stream), "running the first kernels");
  }
  at(0).use();
}

void CudaBackend::start_all(bool held) {
  const unsigned ticket = held ? hold_->next_ticket() : 0;
  for (const auto& slot : slots_) {
    slot->use();
    if (held) check_work(*slot, launch_hold(hold_->state(), ticket, slot->stream), "launching the hold kernel");
    check_work(*slot, cudaEventRecord(slot->start, slot->stream), "recording an event");
    slot->uses_second = false;
    check_work(*slot, cudaStreamWaitEvent(slot->second, slot->start, 0), "ordering its streams");
  }
  at(0).use();
}

/// Seconds of the slowest slot.
double CudaBackend::finish_all() {
  double seconds = 0;
  slot_seconds_.clear();
  for (const auto& slot : slots_) {
    slot->use();
    check_work(*slot, cudaEventSynchronize(slot->stop), "running the launch");
    float milliseconds = 0;
    check_work(*slot, cudaEventElapsedTime(&milliseconds, slot->start, slot->stop), "reading the time");
    slot_seconds_.push_back(milliseconds * 1e-3);
    seconds = std::max(seconds, slot_seconds_.back());
  }
  at(0).use();
  has_waited();
  return seconds;
}

// Per stream: hold kernel, start event, the launches, stop event; then the hold is released.  When the start event is
// stamped, everything behind it is already in the queue, so that no gap of the host's making is timed.
double CudaBackend::time(const std::function<void()>& enqueue) {
  expect_no_fault();
  const bool held = may_hold_;
  {
    const ReleaseAtEnd release(*hold_);
    start_all(held);
    enqueue();
    for (const auto& slot : slots_) {
      slot->use();
      join_second(*slot);
      check_work(*slot, cudaEventRecord(slot->stop, slot->stream), "launching");
    }
    at(0).use();
  }
  const double seconds = finish_all();
  if (!held || !hold_->timed_out()) return seconds;
  // This launch waits for the device itself (or more was enqueued than its queue takes): such work cannot be held back.
  // The hold goes off, since every try costs its whole patience; times then include the host's gaps, if it has any.
  may_hold_ = false;
  ++timeouts_;
  return meet_ == LaunchesMeet::nobody ? time(enqueue) : seconds;
}

void CudaBackend::synchronize() {
  expect_no_fault();
  for (const auto& slot : slots_) {
    slot->use();
    check_work(*slot, cudaGetLastError(), "launching");
    check_work(*slot, cudaStreamSynchronize(slot->stream), "running what was launched");
    check_work(*slot, cudaStreamSynchronize(slot->second), "running what was launched");
  }
  at(0).use();
  has_waited();
  // What waited here was launched outside time(), so what comes next may be another case's: one launch that cannot be
  // held back must not cost all later ones their hold.  Unless it is the machine (a debugger, CUDA_LAUNCH_BLOCKING).
  may_hold_ = timeouts_ < kMostTimeouts;
}

std::string CudaBackend::fault() {
  // Where launches meet each other, one may wait for another that failed: then nobody must wait for it.
  const bool may_wait = slots_.size() == 1 && meet_ == LaunchesMeet::nobody;
  for (const auto& slot : slots_) {
    std::size_t free = 0, total = 0;
    cudaSetDevice(slot->target.index);
    note_fault(*slot, may_wait ? cudaStreamSynchronize(slot->stream) : cudaMemGetInfo(&free, &total));
  }
  cudaSetDevice(at(0).target.index);
  return fault_;
}

}  // namespace

std::unique_ptr<Backend> make_cuda_backend(const std::vector<int>& ordinals, LaunchesMeet meet) {
  const GpuProbe probe = probe_gpus();
  if (probe.count == 0) throw MeasureError(probe.reason);
  if (ordinals.empty()) throw MeasureError("no GPU was asked for");
  for (const int ordinal : ordinals) {
    if (ordinal < 0 || ordinal >= probe.count)
      throw MeasureError("there is no GPU " + std::to_string(ordinal) + ": this machine has " +
                         std::to_string(probe.count));
    if (const Target target = gpu_target(ordinal); target.compute_capability < kLeastComputeCapability)
      throw MeasureError("GPU " + std::to_string(ordinal) + " (" + gpu_name(ordinal) + ") is sm_" +
                         std::to_string(target.compute_capability) + "; kernels start at sm_" +
                         std::to_string(kLeastComputeCapability));
  }
  return std::make_unique<CudaBackend>(ordinals, meet);
}

}  // namespace assay
