#include "kernels/collectives/nccl_library.h"

#include <cstdlib>
#include <stdexcept>

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

}  // namespace

std::string nccl_version_text(int code) {
  return std::to_string(code / 10000) + "." + std::to_string(code / 100 % 100) + "." + std::to_string(code % 100);
}

NcclLibrary::NcclLibrary() : library(candidates()) {
  library.resolve("ncclGetVersion", get_version);
  library.resolve("ncclGetErrorString", error_string);
  library.resolve("ncclGetLastError", last_error);
  library.resolve("ncclCommInitAll", comm_init_all);
  library.resolve("ncclGetUniqueId", get_unique_id);
  library.resolve("ncclCommInitRank", comm_init_rank);
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

}  // namespace assay
