// NCCL, loaded at run time: the program starts on machines that have none.  What has kept its form since NCCL 2.14 must
// be there; what came later may be missing, and its absence is a reason to refuse a case.  Headers and library need not
// match; both versions are in the description.
#pragma once
#include <nccl.h>

#include <cstddef>
#include <string>

#include "kernels/common/dynamic_library.h"

namespace assay {

/// Versions as NCCL_VERSION_CODE from 2.9 on: 2.28.9 is 22809.
inline constexpr int kNcclFloat8 = 22400;  // sums of e4m3 and e5m2, on sm_90 and later
inline constexpr int kNcclNvls = 21700;    // has NVLink SHARP, and so names for its algorithms
std::string nccl_version_text(int code);

struct NcclLibrary {
  /// std::runtime_error where there is none, or one too old.
  NcclLibrary();

  /// std::runtime_error with NCCL's text unless `result` is success.
  void check(ncclResult_t result, const char* call, ncclComm_t comm = nullptr) const;
  int version() const;

  DynamicLibrary library;
  decltype(::ncclGetVersion)* get_version = nullptr;
  decltype(::ncclGetErrorString)* error_string = nullptr;
  decltype(::ncclGetLastError)* last_error = nullptr;
  decltype(::ncclCommInitAll)* comm_init_all = nullptr;
  decltype(::ncclGetUniqueId)* get_unique_id = nullptr;
  decltype(::ncclCommInitRank)* comm_init_rank = nullptr;
  decltype(::ncclCommDestroy)* comm_destroy = nullptr;
  decltype(::ncclCommAbort)* comm_abort = nullptr;
  decltype(::ncclCommGetAsyncError)* async_error = nullptr;
  decltype(::ncclGroupStart)* group_start = nullptr;
  decltype(::ncclGroupEnd)* group_end = nullptr;
  decltype(::ncclAllReduce)* all_reduce = nullptr;
  decltype(::ncclAllGather)* all_gather = nullptr;
  decltype(::ncclReduceScatter)* reduce_scatter = nullptr;
  decltype(::ncclBroadcast)* broadcast = nullptr;
  decltype(::ncclSend)* send = nullptr;
  decltype(::ncclRecv)* recv = nullptr;

  // Null where the library is older.  Declared here, so that older headers will do; a window's handle is a pointer.
  ncclResult_t (*all_to_all)(const void*, void*, std::size_t, ncclDataType_t, ncclComm_t, cudaStream_t) = nullptr;
  ncclResult_t (*comm_register)(ncclComm_t, void*, std::size_t, void** handle) = nullptr;
  ncclResult_t (*comm_deregister)(ncclComm_t, void* handle) = nullptr;
  ncclResult_t (*memory_allocate)(void**, std::size_t) = nullptr;
  ncclResult_t (*memory_free)(void*) = nullptr;
  ncclResult_t (*window_register)(ncclComm_t, void*, std::size_t, void** window, int flags) = nullptr;
  ncclResult_t (*window_deregister)(ncclComm_t, void* window) = nullptr;
  ncclResult_t (*group_simulate_end)(void* simulation) = nullptr;  // 2.22
  void (*reset_debug_init)() = nullptr;                            // deprecated in 2.28: may go

  bool registers() const { return comm_register && comm_deregister; }
  bool has_windows() const { return memory_allocate && memory_free && window_register && window_deregister; }
};

}  // namespace assay
