// Where memory lives and how time is taken.  A backend knows no kernel.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "harness/core/placement.h"
#include "kernels/common/kernel.h"

namespace assay {

class Backend;

/// Device memory, 256-byte aligned.  Move-only; freed with its owner.
class Buffer {
 public:
  Buffer() = default;
  Buffer(Backend* owner, int slot, void* data, std::size_t bytes)
      : owner_(owner), slot_(slot), data_(data), bytes_(bytes) {}
  Buffer(Buffer&& other) noexcept { *this = std::move(other); }
  Buffer& operator=(Buffer&& other) noexcept;
  ~Buffer();
  void* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }
  int slot() const { return slot_; }

 private:
  Backend* owner_ = nullptr;
  int slot_ = 0;
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

using HostMemory = std::unique_ptr<std::byte, void (*)(std::byte*)>;

/// Why something failed that was not at fault: the device had ended before.
inline constexpr const char* kAfterFault = "the GPU cannot be used any more by this process, after ";

/// One CPU, one GPU, or several GPUs that work together ("slots").
class Backend {
 public:
  virtual ~Backend() = default;
  virtual Target target(int slot = 0) const = 0;
  virtual int slots() const { return 1; }
  virtual Stream stream(int slot = 0) const = 0;
  /// For what shall run beside the first stream's work: time() and synchronize() wait for both.  Asking for it makes
  /// the slot's device the calling thread's.
  virtual Stream second_stream(int slot = 0) const { return stream(slot); }
  /// What is put on the second stream from now on comes after all that is on the first by now; join_second(), the
  /// reverse.  Nothing on a CPU, where launches finish before they return.
  virtual void fork_second(int /*slot*/ = 0) {}
  virtual void join_second(int /*slot*/ = 0) {}

  /// MeasureError naming the size and what is free where there is not enough.
  virtual Buffer allocate(std::size_t bytes, int slot = 0) = 0;
  virtual void copy_in(const Buffer& to, const void* from, std::size_t bytes) = 0;
  virtual void copy_out(void* to, const Buffer& from, std::size_t bytes) = 0;
  /// Every byte of the buffer; 0xff makes every float type NaN.
  virtual void fill(const Buffer&, std::uint8_t byte) = 0;
  virtual std::size_t free_bytes(int slot = 0) const = 0;

  /// The same in the order of the slot's stream, which a GPU's caller does not wait for: for what is copied from step
  /// to step.  `from` and `to` on the host lie in memory of allocate_host() that nobody touches before waits() grew.
  /// Unless a backend can do that, it is made before they return, as on a CPU.
  virtual void enqueue_copy_in(void* to, const void* from, std::size_t bytes, int slot = 0);
  virtual void enqueue_copy_out(void* to, const void* from, std::size_t bytes, int slot = 0);
  virtual void enqueue_fill(void* to, std::uint8_t byte, std::size_t bytes, int slot = 0);
  /// Memory of the host that a GPU reads and writes by itself; the backend outlives it.
  virtual HostMemory allocate_host(std::size_t bytes);
  /// How often time() and synchronize() have returned: what was enqueued before is done when it grew.
  std::int64_t waits() const { return waits_; }

  /// Seconds that the work `enqueue` enqueues takes on the device, launch latency of the first excluded where the
  /// device can hold it back.  Returns after it finished.  On several slots: the slowest.
  virtual double time(const std::function<void()>& enqueue) = 0;
  /// Of the last time(): each slot's seconds, where there are several.
  virtual std::vector<double> slot_seconds() const { return {}; }
  /// The least a launch can be, for the measurement floor: an empty kernel on each GPU, nothing on a CPU.
  virtual void launch_empty() {}
  /// Waits for everything enqueued; throws MeasureError with the device's own message after a fault.
  virtual void synchronize() = 0;
  /// What ended the device for this process, a kernel's fault; empty where it works.  Asks the device, so that a fault
  /// is not laid at the door of whoever comes next: to be called where a launch failed.
  virtual std::string fault() { return {}; }
  /// MeasureError beginning with kAfterFault where there was one.
  virtual void expect_no_fault() const {}
  virtual std::size_t last_level_cache_bytes() const = 0;
  /// Readies the threads in which a CPU kernel computes (OpenMP's): on their cores and awake.  Before every timed
  /// launch, but not where a kernel has threads of its own: OpenMP's would spin beside them.  On a GPU: makes it the
  /// calling thread's, which the launches outside time() need where several GPUs have a backend each.
  virtual void settle() {}
  /// Two CPU cores' distance at this moment; Placement::none on a GPU or one core.
  virtual Placement probe_placement(bool /*own_threads*/) { return Placement::none; }

 protected:
  /// Of everything that was enqueued.
  void has_waited() { ++waits_; }

  friend class Buffer;
  virtual void release(void* data, std::size_t bytes, int slot) noexcept = 0;

 private:
  std::int64_t waits_ = 0;
};

/// `threads` <= 0: all this process may use.  While it lives, the calling thread and the OpenMP threads of its parallel
/// regions are pinned, each to its own core (cores.h), and flush denormals to zero; its end restores the caller.
/// A std::thread started meanwhile inherits the caller's single core: it must set its own affinity.
std::unique_ptr<Backend> make_cpu_backend(int threads);

/// One core of this process, counted from 0: what runs there runs on that core alone.  Pins the calling thread as the
/// above does; another thread moves there by settle().
std::unique_ptr<Backend> make_core_backend(int core);

/// Empty, with the reason, where this build has no CUDA or the machine no usable GPU.
struct GpuProbe {
  int count = 0;
  std::string reason;
};
GpuProbe probe_gpus();
/// Of a GPU by its ordinal: "0000:17:00.0", by which other libraries know it.  Empty where there is none such.
std::string gpu_pci_bus_id(int ordinal);
/// Whether launches wait for those of other processes: then time() enqueues what it is given exactly once, since a
/// launch more on one rank would meet another rank's next one.
enum class LaunchesMeet { nobody, other_processes };
/// Ordinals as CUDA counts them.  MeasureError where there is none such.
std::unique_ptr<Backend> make_cuda_backend(const std::vector<int>& ordinals, LaunchesMeet = LaunchesMeet::nobody);

/// Cores this process may use: affinity and cgroup quota respected, shared out among an MPI launcher's local ranks.
int available_threads();

}  // namespace assay
