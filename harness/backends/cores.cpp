#include "harness/backends/cores.h"

#include <omp.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "harness/backends/backend.h"
#include "harness/backends/cgroup.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace assay {
namespace {

/// Flush results and operands that are denormal: kernels, oracle and library then agree whatever a library sets.
#if defined(__x86_64__)
constexpr unsigned long kFlush = 0x8040;  // MXCSR: FTZ, DAZ
unsigned long float_control() { return _mm_getcsr(); }
void set_float_control(unsigned long value) { _mm_setcsr(unsigned(value)); }
#elif defined(__aarch64__)
constexpr unsigned long kFlush = 1ul << 24;  // FPCR: FZ
unsigned long float_control() {
  unsigned long value;
  asm volatile("mrs %0, fpcr" : "=r"(value));
  return value;
}
void set_float_control(unsigned long value) { asm volatile("msr fpcr, %0" : : "r"(value)); }
#else
constexpr unsigned long kFlush = 0;
unsigned long float_control() { return 0; }
void set_float_control(unsigned long) {}
#endif

constexpr int kMaxCores = 8192;  // a machine may have more than the 1024 of a plain cpu_set_t

struct FreeSet {
  void operator()(cpu_set_t* set) const { CPU_FREE(set); }
};

bool set_affinity(const std::vector<int>& cores) {
  const std::unique_ptr<cpu_set_t, FreeSet> set(CPU_ALLOC(kMaxCores));
  const std::size_t bytes = CPU_ALLOC_SIZE(kMaxCores);
  CPU_ZERO_S(bytes, set.get());
  for (const int core : cores) CPU_SET_S(core, bytes, set.get());
  return sched_setaffinity(0, bytes, set.get()) == 0;
}

/// Of a process or thread, 0 being the calling one; empty where it cannot be read.
std::vector<int> affinity_of(pid_t pid) {
  const std::unique_ptr<cpu_set_t, FreeSet> set(CPU_ALLOC(kMaxCores));
  const std::size_t bytes = CPU_ALLOC_SIZE(kMaxCores);
  CPU_ZERO_S(bytes, set.get());
  std::vector<int> out;
  if (sched_getaffinity(pid, bytes, set.get()) != 0) return out;
  for (int core = 0; core < kMaxCores; ++core)
    if (CPU_ISSET_S(core, bytes, set.get())) out.push_back(core);
  return out;
}

/// OMP_PROC_BIND has the runtime bind the first thread to one core before main begins: its affinity is then no longer
/// the process's.
bool bound_by_openmp() { return omp_get_proc_bind() != omp_proc_bind_false; }

std::vector<int> cores_of_openmp() {
  std::vector<int> out;
  for (int place = 0; place < omp_get_num_places(); ++place) {
    std::vector<int> cores(std::size_t(omp_get_place_num_procs(place)));
    omp_get_place_proc_ids(place, cores.data());
    out.insert(out.end(), cores.begin(), cores.end());
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

int& settled_core() {
  thread_local int core = -1;
  return core;
}

/// This process's place among ranks that share its cores: alone where the launcher gave it cores of its own.
LocalRank rank_sharing_cores(const std::vector<int>& cores) {
  return affinity_of(getppid()) == cores ? local_rank() : LocalRank{};
}

}  // namespace

LocalRank local_rank() {
  constexpr const char* kVariables[][2] = {{"OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"},  // Open MPI
                                           {"MPI_LOCALRANKID", "MPI_LOCALNRANKS"}};                       // Hydra
  for (const auto& [rank, size] : kVariables) {
    const char *rank_text = std::getenv(rank), *size_text = std::getenv(size);
    if (rank_text == nullptr || size_text == nullptr) continue;
    const LocalRank out{std::atoi(rank_text), std::atoi(size_text)};
    if (out.size >= 1 && out.rank >= 0 && out.rank < out.size) return out;
  }
  return {};
}

std::vector<int> cores_in_rank_order(std::vector<int> cores, LocalRank local) {
  const std::size_t n = cores.size();
  const std::size_t first = n >= std::size_t(local.size) ? n * std::size_t(local.rank) / std::size_t(local.size)
                                                         : std::size_t(local.rank) % n;
  std::rotate(cores.begin(), cores.begin() + std::ptrdiff_t(first), cores.end());
  return cores;
}

int share_of(int cores, LocalRank local, std::optional<double> quota) {
  const int begin = int(std::int64_t(cores) * local.rank / local.size);
  int share = int(std::int64_t(cores) * (local.rank + 1) / local.size) - begin;
  if (quota) share = std::min(share, int(*quota / local.size));
  return std::max(1, share);
}

const std::vector<int>& process_cores() {
  static const std::vector<int> cores = [] {
    std::vector<int> allowed = bound_by_openmp() ? cores_of_openmp() : affinity_of(0);
    if (allowed.empty()) allowed = {0};
    return cores_in_rank_order(allowed, rank_sharing_cores(allowed));
  }();
  return cores;
}

int available_threads() {
  static const int threads = [] {
    std::vector<int> cores = process_cores();
    std::sort(cores.begin(), cores.end());
    return share_of(int(cores.size()), rank_sharing_cores(cores), cgroup_limits().cpus);
  }();
  return threads;
}

bool settle_on(int core) {
  if (settled_core() == core) return true;
  if (!set_affinity({core})) return false;
  set_float_control(float_control() | kFlush);
  settled_core() = core;
  return true;
}

bool run_on(const std::vector<int>& cores) {
  settled_core() = -1;
  return set_affinity(cores);
}

std::vector<int> spare_cores(int threads) {
  const std::vector<int>& cores = process_cores();
  std::vector<int> sorted = cores;
  std::sort(sorted.begin(), sorted.end());
  const std::size_t used = std::size_t(std::max(1, threads));
  if (rank_sharing_cores(sorted).size > 1 || used >= cores.size()) return cores;
  return {cores.begin() + std::ptrdiff_t(used), cores.end()};
}

std::vector<int> cores_beside(int threads) {
  const std::vector<int>& cores = process_cores();
  const auto share = std::min(std::ptrdiff_t(available_threads()), std::ptrdiff_t(cores.size()));
  const std::ptrdiff_t used = threads >= 1 && threads < share ? threads : 0;
  return {cores.begin() + used, cores.begin() + share};
}

ThreadSettings::ThreadSettings() : cores_(affinity_of(0)), control_(float_control()) {}

ThreadSettings::~ThreadSettings() {
  set_affinity(cores_);
  set_float_control(control_);
  settled_core() = -1;
}

}  // namespace assay
