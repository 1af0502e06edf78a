// NCCL is loaded at run time: the program starts on machines that have none.  Only calls that have kept their form
// since NCCL 2.14 are used, so header and library need not match; both versions are in the description.
#include "kernels/collectives/nccl.h"

#include <nccl.h>

#include <cstdlib>
#include <set>
#include <stdexcept>

#include "kernels/common/cuda_check.h"
#include "kernels/common/dynamic_library.h"

namespace assay {
namespace {

// The toolkit's folder is not on the loader's path everywhere; NVIDIA's packages put the library on it.
std::vector<std::string> candidates() {
  std::vector<std::string> paths = {"libnccl.so.2"};
  if (const char* home = std::getenv("CUDA_HOME"))
    for (const char* folder : {"/lib64/", "/lib/"}) paths.push_back(std::string(home) + folder + "libnccl.so.2");
  paths.push_back("/usr/local/cuda/lib64/libnccl.so.2");
  return paths;
}

struct Nccl {
  Nccl() : library(candidates()) {
    library.resolve("ncclGetVersion", get_version);
    library.resolve("ncclGetErrorString", error_string);
    library.resolve("ncclGetLastError", last_error);
    library.resolve("ncclCommInitAll", comm_init_all);
    library.resolve("ncclCommDestroy", comm_destroy);
    library.resolve("ncclCommAbort", comm_abort);
    library.resolve("ncclCommGetAsyncError", async_error);
    library.resolve("ncclGroupStart", group_start);
    library.resolve("ncclGroupEnd", group_end);
    library.resolve("ncclAllReduce", all_reduce);
  }

  void check(ncclResult_t result, const char* call, ncclComm_t comm = nullptr) const {
    if (result == ncclSuccess) return;
    const char* detail = last_error(comm);
    throw std::runtime_error(std::string(call) + ": " + error_string(result) + (detail && *detail ? ": " : "") +
                             (detail ? detail : ""));
  }

  DynamicLibrary library;
  decltype(::ncclGetVersion)* get_version = nullptr;
  decltype(::ncclGetErrorString)* error_string = nullptr;
  decltype(::ncclGetLastError)* last_error = nullptr;
  decltype(::ncclCommInitAll)* comm_init_all = nullptr;
  decltype(::ncclCommDestroy)* comm_destroy = nullptr;
  decltype(::ncclCommAbort)* comm_abort = nullptr;
  decltype(::ncclCommGetAsyncError)* async_error = nullptr;
  decltype(::ncclGroupStart)* group_start = nullptr;
  decltype(::ncclGroupEnd)* group_end = nullptr;
  decltype(::ncclAllReduce)* all_reduce = nullptr;
};

std::string version_text(int code) {  // 22809 is 2.28.9; before 2.9 the places were fewer
  return std::to_string(code / 10000) + "." + std::to_string(code / 100 % 100) + "." + std::to_string(code % 100);
}

// The GPU of each local rank is where its output lies.
std::vector<int> devices_of(const AllReduceBuffers& buffers) {
  std::vector<int> devices;
  for (const void* output : buffers.output) {
    cudaPointerAttributes attributes{};
    ASSAY_CHECK_CUDA(cudaPointerGetAttributes(&attributes, output));
    if (attributes.type != cudaMemoryTypeDevice) throw std::runtime_error("nccl: a buffer is not in a GPU's memory");
    devices.push_back(attributes.device);
  }
  if (std::set<int>(devices.begin(), devices.end()).size() != devices.size())
    throw std::runtime_error("nccl: two ranks on one GPU");
  return devices;
}

// Keeps the calling thread's current device, which NCCL's calls and ours change.
class CurrentDevice {
 public:
  CurrentDevice() { ASSAY_CHECK_CUDA(cudaGetDevice(&device_)); }
  CurrentDevice(const CurrentDevice&) = delete;
  CurrentDevice& operator=(const CurrentDevice&) = delete;
  ~CurrentDevice() { cudaSetDevice(device_); }

 private:
  int device_ = 0;
};

class NcclOperation final : public AllReduceOperation {
 public:
  NcclOperation(const AllReduceProblem& problem, const AllReduceBuffers& buffers)
      : count_(std::size_t(problem.count)),
        type_(problem.dtype == DType::bf16 ? ncclBfloat16 : ncclFloat32),
        devices_(devices_of(buffers)),
        comms_(devices_.size(), nullptr) {
    const CurrentDevice keep;
    nccl_.check(nccl_.comm_init_all(comms_.data(), int(devices_.size()), devices_.data()), "ncclCommInitAll");
  }

  ~NcclOperation() override {
    // Destroying waits for what is enqueued, which after a fault never ends: then abort.
    for (std::size_t r = 0; r < comms_.size(); ++r) {
      ncclResult_t state = ncclSuccess;
      const bool sound = !failed_ && nccl_.async_error(comms_[r], &state) == ncclSuccess && state == ncclSuccess;
      sound ? nccl_.comm_destroy(comms_[r]) : nccl_.comm_abort(comms_[r]);
    }
  }

  void launch(const AllReduceBuffers& buffers, Stream) override {
    check_async();
    failed_ = true;  // until all ranks' calls are known to be enqueued
    nccl_.check(nccl_.group_start(), "ncclGroupStart");
    ncclResult_t first_error = ncclSuccess;
    for (std::size_t r = 0; r < comms_.size() && first_error == ncclSuccess; ++r)
      first_error =
          nccl_.all_reduce(buffers.input[r], buffers.output[r], count_, type_, ncclSum, comms_[r], buffers.streams[r]);
    const ncclResult_t group = nccl_.group_end();  // also after an error: the group belongs to the thread
    nccl_.check(first_error, "ncclAllReduce");
    nccl_.check(group, "ncclGroupEnd");
    failed_ = false;
  }

  std::string description() const override {
    int loaded = 0;
    nccl_.check(nccl_.get_version(&loaded), "ncclGetVersion");
    return "NCCL " + version_text(loaded) + " (headers " + version_text(NCCL_VERSION_CODE) + "), " +
           std::to_string(comms_.size()) + (comms_.size() == 1 ? " GPU" : " GPUs");
  }

 private:
  // What went wrong in earlier launches, a lost link say: NCCL tells only who asks.
  void check_async() const {
    for (const ncclComm_t comm : comms_) {
      ncclResult_t state = ncclSuccess;
      nccl_.check(nccl_.async_error(comm, &state), "ncclCommGetAsyncError", comm);
      nccl_.check(state, "NCCL, in an earlier launch", comm);
    }
  }

  Nccl nccl_;
  std::size_t count_;
  ncclDataType_t type_;
  std::vector<int> devices_;
  std::vector<ncclComm_t> comms_;
  bool failed_ = false;
};

Support supports(const AllReduceProblem& problem, const Target& target) {
  if (target.device != Device::gpu) return Support::no("sums over GPUs");
  if (!problem.peers.single_process())
    return Support::no("drives all GPUs of the node from one process: start without an MPI launcher");
  // NCCL then enqueues nothing, and no time is no rate.  Out of place it copies, which shows that it works.
  if (problem.peers.ranks == 1 && problem.in_place) return Support::no("one GPU in place: there is nothing to do");
  try {
    const DynamicLibrary library(candidates());
  } catch (const std::runtime_error& error) {
    return Support::no(std::string("NCCL cannot be loaded: ") + error.what());
  }
  return Support::yes();
}

}  // namespace

AllReduceKernel nccl_kernel() {
  AllReduceKernel kernel;
  kernel.name = "nccl";
  kernel.device = Device::gpu;
  kernel.vendor = true;
  kernel.dtypes = {DType::f32, DType::bf16};
  kernel.supports = supports;
  kernel.prepare = [](const AllReduceProblem& problem, const Target&, const std::vector<AllReduceBuffers>& sets,
                      Stream) { return std::make_unique<NcclOperation>(problem, sets.front()); };
  return kernel;
}

}  // namespace assay
