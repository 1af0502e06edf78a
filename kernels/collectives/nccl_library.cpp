#include "kernels/collectives/nccl_library.h"

#include <chrono>
#include <cstdlib>
#include <optional>
#include <stdexcept>

#include "kernels/collectives/nccl_details.h"
#include "kernels/common/cuda_check.h"

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

template <class Function>
void resolve_if_there(const DynamicLibrary& library, const char* symbol, Function*& function) {
  try {
    library.resolve(symbol, function);
  } catch (const std::runtime_error&) {
    function = nullptr;
  }
}

/// ncclSimInfo_t of 2.22, which headers before lack and later ones kept.
struct Simulation {
  std::size_t size = sizeof(Simulation);
  unsigned magic = 0x74685283;
  unsigned version = 22200;
  float estimated_time = -1;  // microseconds; -1: NCCL's "undefined"
};

}  // namespace

std::string nccl_version_text(int code) {
  return std::to_string(code / 10000) + "." + std::to_string(code / 100 % 100) + "." + std::to_string(code % 100);
}

NcclLibrary::NcclLibrary() : library(candidates()) {
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
  library.resolve("ncclAllGather", all_gather);
  library.resolve("ncclReduceScatter", reduce_scatter);
  library.resolve("ncclBroadcast", broadcast);
  library.resolve("ncclSend", send);
  library.resolve("ncclRecv", recv);
  resolve_if_there(library, "ncclAlltoAll", all_to_all);
  resolve_if_there(library, "ncclCommRegister", comm_register);
  resolve_if_there(library, "ncclCommDeregister", comm_deregister);
  resolve_if_there(library, "ncclMemAlloc", memory_allocate);
  resolve_if_there(library, "ncclMemFree", memory_free);
  resolve_if_there(library, "ncclCommWindowRegister", window_register);
  resolve_if_there(library, "ncclCommWindowDeregister", window_deregister);
  resolve_if_there(library, "ncclGroupSimulateEnd", group_simulate_end);
  resolve_if_there(library, "ncclResetDebugInit", reset_debug_init);
}

void NcclLibrary::check(ncclResult_t result, const char* call, ncclComm_t comm) const {
  if (result == ncclSuccess) return;
  const char* detail = last_error(comm);
  throw std::runtime_error(std::string(call) + ": " + error_string(result) + (detail && *detail ? ": " : "") +
                           (detail ? detail : ""));
}

int NcclLibrary::version() const {
  int code = 0;
  check(get_version(&code), "ncclGetVersion");
  return code;
}

NcclGroup::NcclGroup(const std::vector<int>& devices, bool nvls) : devices_(devices), comms_(devices.size(), nullptr) {
  const CurrentDevice keep;
  std::optional<ScopedVariable> without;
  if (!nvls) without.emplace("NCCL_ALGO", "^NVLS,NVLSTree");
  const auto before = std::chrono::steady_clock::now();
  nccl_.check(nccl_.comm_init_all(comms_.data(), int(devices_.size()), devices_.data()), "ncclCommInitAll");
  init_seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
}

double NcclGroup::predict(const std::function<ncclResult_t(int rank)>& call) {
  Simulation simulation;
  failed_ = true;  // until the group is known to have ended
  nccl_.check(nccl_.group_start(), "ncclGroupStart");
  ncclResult_t first_error = ncclSuccess;
  for (int rank = 0; rank < size() && first_error == ncclSuccess; ++rank) first_error = call(rank);
  const ncclResult_t group = nccl_.group_simulate_end(&simulation);  // also after an error
  nccl_.check(first_error, "enqueueing for a prediction");
  nccl_.check(group, "ncclGroupSimulateEnd");
  failed_ = false;
  return simulation.estimated_time;
}

NcclGroup::~NcclGroup() {
  // Destroying waits for what is enqueued, which after a fault never ends: then abort.
  for (const ncclComm_t comm : comms_) {
    ncclResult_t state = ncclSuccess;
    const bool sound = !failed_ && nccl_.async_error(comm, &state) == ncclSuccess && state == ncclSuccess;
    sound ? nccl_.comm_destroy(comm) : nccl_.comm_abort(comm);
  }
}

void NcclGroup::check_async() const {
  for (const ncclComm_t comm : comms_) {
    ncclResult_t state = ncclSuccess;
    nccl_.check(nccl_.async_error(comm, &state), "ncclCommGetAsyncError", comm);
    nccl_.check(state, "NCCL, in an earlier launch", comm);
  }
}

CurrentDevice::CurrentDevice() { ASSAY_CHECK_CUDA(cudaGetDevice(&device_)); }
CurrentDevice::~CurrentDevice() { cudaSetDevice(device_); }

}  // namespace assay
