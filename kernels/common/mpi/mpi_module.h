// What the loadable module libassay_mpi.so offers: MPI as a table of C functions.  The program itself links no MPI, so
// it starts on machines that have none; it loads the module when an MPI launcher started it.
//
// Functions return 0 or an MPI error code (`error_text` explains it), unless said otherwise.  All work on a duplicate
// of MPI_COMM_WORLD and are called by the thread that called `initialise`, or where `takes_any_thread` by any, one at a
// time.
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/common/dtype.h"

namespace assay {

inline constexpr int kMpiModuleVersion = 4;  // grows with every change of the table
inline constexpr const char* kMpiModuleSymbol = "assay_mpi_module";

struct MpiModule {
  int version;                 // kMpiModuleVersion
  const char* implementation;  // "openmpi", "mpich" or "mpi"
  int (*initialise)();         // again and again is fine
  int (*finalise)();
  void (*abort)(int exit_code);  // may return
  bool (*is_initialised)();
  int (*rank)();          // not an error code
  int (*size)();          // not an error code
  bool (*is_one_host)();  // all ranks share memory
  bool (*takes_any_thread)();
  void (*library_version)(char* text, std::size_t bytes);
  void (*error_text)(int code, char* text, std::size_t bytes);
  int (*barrier)();
  int (*maximum)(double* value);
  int (*broadcast)(void* data, int bytes);    // from rank 0
  int (*all_gather_int)(int mine, int* all);  // `all`: one per rank
  int (*all_gather_bytes)(const char* mine, int length, char* all, const int* lengths, const int* offsets);
  /// Collectives on f32, bf16 and f16 (16-bit types are summed in fp32 and rounded), at most INT_MAX elements to a
  /// part. Sum into `output` of every rank; `input` == `output` is in place.
  int (*all_reduce)(DType, const void* input, void* output, std::int64_t count);
  int (*reduce_scatter)(DType, const void* input, void* output, std::int64_t part);
  /// `input` == this rank's part of `output` is in place.
  int (*all_gather)(DType, const void* input, void* output, std::int64_t part);
  int (*all_to_all)(DType, const void* input, void* output, std::int64_t part);
  int (*broadcast_from)(int root, DType, void* data, std::int64_t count);
  /// To the next rank, from the one before.
  int (*send_to_next)(DType, const void* input, void* output, std::int64_t count);
  /// Sends to rank `to` and receives from rank `from` at once; a negative rank is nobody.
  int (*exchange)(const void* out, int to, void* in, int from, int bytes);
};

}  // namespace assay
