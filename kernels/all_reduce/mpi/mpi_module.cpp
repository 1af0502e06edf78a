// The only code that links MPI; see mpi_module.h.
#include "kernels/common/mpi/mpi_module.h"

#include <mpi.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "kernels/all_reduce/vector_sum.h"

namespace {

// MPI is one per process and so is this: MPI's own global state, extended.
struct State {
  MPI_Comm world = MPI_COMM_NULL;
  MPI_Op sum_bf16 = MPI_OP_NULL;
  bool one_host = false;
};
State state;

void add_bf16(void* in, void* in_out, int* count, MPI_Datatype*) {
  assay::sum_elements(assay::DType::bf16, in, in_out, in_out, nullptr, *count, assay::StoreKind::cached);
}

bool is_initialised() {
  int started = 0, ended = 0;
  MPI_Initialized(&started);
  MPI_Finalized(&ended);
  return started && !ended;
}

int find_hosts() {
  MPI_Comm host;
  if (const int error = MPI_Comm_split_type(state.world, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &host)) return error;
  int here = 0, all = 0;
  MPI_Comm_size(host, &here);
  MPI_Comm_size(state.world, &all);
  int one = here == all;  // either true on every rank or false on every rank
  state.one_host = one;
  return MPI_Comm_free(&host);
}

int initialise() {
  if (state.world != MPI_COMM_NULL) return MPI_SUCCESS;
  if (!is_initialised()) {
    int provided = 0;
    if (const int error = MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided)) return error;
  }
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  if (const int error = MPI_Comm_dup(MPI_COMM_WORLD, &state.world)) return error;
  MPI_Comm_set_errhandler(state.world, MPI_ERRORS_RETURN);
  if (const int error = MPI_Op_create(add_bf16, 1, &state.sum_bf16)) return error;
  return find_hosts();
}

int finalise() {
  if (state.world == MPI_COMM_NULL) return MPI_SUCCESS;
  MPI_Op_free(&state.sum_bf16);
  MPI_Comm_free(&state.world);
  return MPI_Finalize();
}

void abort_all(int exit_code) { MPI_Abort(MPI_COMM_WORLD, exit_code); }

int rank() {
  int value = 0;
  MPI_Comm_rank(state.world, &value);
  return value;
}

int size() {
  int value = 0;
  MPI_Comm_size(state.world, &value);
  return value;
}

void library_version(char* text, std::size_t bytes) {
  char full[MPI_MAX_LIBRARY_VERSION_STRING];
  int length = 0;
  MPI_Get_library_version(full, &length);
  full[std::strcspn(full, ",\n")] = '\0';  // "Open MPI v4.1.4", without the package's build notes
  std::snprintf(text, bytes, "%s", full);
}

void error_text(int code, char* text, std::size_t bytes) {
  char full[MPI_MAX_ERROR_STRING];
  int length = 0;
  if (MPI_Error_string(code, full, &length) != MPI_SUCCESS) std::snprintf(full, sizeof full, "error %d", code);
  std::snprintf(text, bytes, "%s", full);
}

int all_reduce(const void* input, void* output, std::int64_t count, MPI_Datatype type, int element_bytes, MPI_Op op) {
  constexpr std::int64_t kPiece = std::int64_t(1) << 30;  // counts are int
  for (std::int64_t first = 0; first < count; first += kPiece) {
    const int elements = int(std::min(kPiece, count - first));
    const void* from = input == output ? MPI_IN_PLACE : static_cast<const char*>(input) + first * element_bytes;
    void* to = static_cast<char*>(output) + first * element_bytes;
    if (const int error = MPI_Allreduce(from, to, elements, type, op, state.world)) return error;
  }
  return MPI_SUCCESS;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const assay::MpiModule assay_mpi_module;
const assay::MpiModule assay_mpi_module = {
    .version = assay::kMpiModuleVersion,
    .implementation = ASSAY_MPI_NAME,
    .initialise = initialise,
    .finalise = finalise,
    .abort = abort_all,
    .is_initialised = is_initialised,
    .rank = rank,
    .size = size,
    .is_one_host = [] { return state.one_host; },
    .library_version = library_version,
    .error_text = error_text,
    .barrier = [] { return MPI_Barrier(state.world); },
    .maximum = [](double* value) { return MPI_Allreduce(MPI_IN_PLACE, value, 1, MPI_DOUBLE, MPI_MAX, state.world); },
    .broadcast = [](void* data, int bytes) { return MPI_Bcast(data, bytes, MPI_BYTE, 0, state.world); },
    .all_gather_int = [](int mine, int* all) { return MPI_Allgather(&mine, 1, MPI_INT, all, 1, MPI_INT, state.world); },
    .all_gather_bytes =
        [](const char* mine, int length, char* all, const int* lengths, const int* offsets) {
          return MPI_Allgatherv(mine, length, MPI_BYTE, all, lengths, offsets, MPI_BYTE, state.world);
        },
    .all_reduce_f32 = [](const void* input, void* output,
                         std::int64_t count) { return all_reduce(input, output, count, MPI_FLOAT, 4, MPI_SUM); },
    .all_reduce_bf16 =
        [](const void* input, void* output, std::int64_t count) {
          return all_reduce(input, output, count, MPI_UINT16_T, 2, state.sum_bf16);
        },
};
