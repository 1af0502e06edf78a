// What every part of the functional GPU speaks: faults, launch options, and where an instruction came from.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>

namespace simt {

class DeviceHeap;

struct Dim3 {
  unsigned x = 1, y = 1, z = 1;
  unsigned count() const { return x * y * z; }
};

enum class Fault {
  Deadlock,
  Race,
  ProxyFence,
  OutOfBounds,
  Uninitialised,
  Barrier,
  Descriptor,
  Divergence,
  Misaligned,
  Async,
  Registers,
  Unsupported,
  TensorMemory,  // allocation and addressing of tcgen05
  TensorFence
};
const char* name(Fault);

struct Error : std::runtime_error {
  Error(Fault f, const std::string& what) : std::runtime_error(std::string(name(f)) + ": " + what), fault(f) {}
  Fault fault;
};

std::string format(const char* pattern, ...) __attribute__((format(printf, 1, 2)));

/// A PTX instruction and the line of source it came from.
struct SourceSite {
  std::string text, loc;
};
using Site = const SourceSite*;
std::string symbolise(Site);

/// Shared-window address of the first shared byte of a CTA; what lies below is reserved.
constexpr std::uint32_t kSharedBase = 1024;

/// When asynchronous work (cp.async, bulk copies, wgmma) takes effect.
///  Eager: at issue; exposes buffers refilled or released too early (write after read).
///  Lazy: only when something waits for it; exposes missing waits (read before ready).
///  Random: a seeded mixture of both.
enum class Async { Eager, Lazy, Random };

/// How the CTAs of a grid share the machine.
///  Sequential: one cluster after another; waiting for a later one is a deadlock.
///  RoundRobin, Random: up to max_resident_clusters at once, interleaved every few hundred instructions.
enum class CtaOrder { Sequential, RoundRobin, Random };

struct Options {
  Async async = Async::Lazy;
  std::uint64_t seed = 1;
  bool racecheck = true;             // happens-before checking of shared memory
  bool shuffle_schedule = false;     // randomise the order of warps
  unsigned regs_per_thread = 0;      // for setmaxnreg; 0: 65536 / threads, rounded down to a multiple of 8
  const DeviceHeap* heap = nullptr;  // global accesses must lie in its live allocations
  CtaOrder cta_order = CtaOrder::Sequential;
  unsigned max_resident_clusters = 16;
  bool global_races = false;  // happens-before checking of global memory too; needs racecheck
};

}  // namespace simt
