// The only code that links MPI; see mpi_module.h.
#include "kernels/common/mpi/mpi_module.h"

#include <mpi.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "kernels/collectives/vector_sum.h"

namespace {

// MPI is one per process and so is this: MPI's own global state, extended.
struct State {
  MPI_Comm world = MPI_COMM_NULL;
  MPI_Op sum_bf16 = MPI_OP_NULL, sum_f16 = MPI_OP_NULL;
  bool one_host = false;
};
State state;

template <assay::DType kDType>
void add(void* in, void* in_out, int* count, MPI_Datatype*) {
  assay::add_elements(kDType, in, in_out, {in_out}, *count);
}

bool is_initialised() {
  int started = 0, ended = 0;
  MPI_Initialized(&started);
  MPI_Finalized(&ended);
  return started && !ended;
}

bool takes_any_thread() {
  int level = MPI_THREAD_SINGLE;
  return MPI_Query_thread(&level) == MPI_SUCCESS && level >= MPI_THREAD_SERIALIZED;
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
    if (const int error = MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided)) return error;
  }
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  if (const int error = MPI_Comm_dup(MPI_COMM_WORLD, &state.world)) return error;
  MPI_Comm_set_errhandler(state.world, MPI_ERRORS_RETURN);
  if (const int error = MPI_Op_create(add<assay::DType::bf16>, 1, &state.sum_bf16)) return error;
  if (const int error = MPI_Op_create(add<assay::DType::f16>, 1, &state.sum_f16)) return error;
  return find_hosts();
}

int finalise() {
  if (state.world == MPI_COMM_NULL) return MPI_SUCCESS;
  MPI_Op_free(&state.sum_bf16);
  MPI_Op_free(&state.sum_f16);
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

MPI_Datatype type_of(assay::DType dtype) { return dtype == assay::DType::f32 ? MPI_FLOAT : MPI_UINT16_T; }

MPI_Op sum_of(assay::DType dtype) {
  if (dtype == assay::DType::f32) return MPI_SUM;
  return dtype == assay::DType::bf16 ? state.sum_bf16 : state.sum_f16;
}

constexpr std::int64_t kPiece = std::int64_t(1) << 30;  // counts are int

// `piece(first, elements)` over pieces of what may be more elements than MPI counts.
template <class Piece>
int in_pieces(std::int64_t count, const Piece& piece) {
  for (std::int64_t first = 0; first < count; first += kPiece)
    if (const int error = piece(first, int(std::min(kPiece, count - first)))) return error;
  return MPI_SUCCESS;
}

const char* at(assay::DType dtype, const void* data, std::int64_t element) {
  return static_cast<const char*>(data) + element * std::int64_t(assay::size_bytes(dtype));
}
char* at(assay::DType dtype, void* data, std::int64_t element) {
  return static_cast<char*>(data) + element * std::int64_t(assay::size_bytes(dtype));
}

int all_reduce(assay::DType dtype, const void* input, void* output, std::int64_t count) {
  return in_pieces(count, [&](std::int64_t first, int elements) {
    return MPI_Allreduce(input == output ? MPI_IN_PLACE : at(dtype, input, first), at(dtype, output, first), elements,
                         type_of(dtype), sum_of(dtype), state.world);
  });
}

int reduce_scatter(assay::DType dtype, const void* input, void* output, std::int64_t part) {
  return MPI_Reduce_scatter_block(input, output, int(part), type_of(dtype), sum_of(dtype), state.world);
}

int all_gather(assay::DType dtype, const void* input, void* output, std::int64_t part) {
  const bool in_place = input == at(dtype, output, rank() * part);
  return MPI_Allgather(in_place ? MPI_IN_PLACE : input, int(part), type_of(dtype), output, int(part), type_of(dtype),
                       state.world);
}

int all_to_all(assay::DType dtype, const void* input, void* output, std::int64_t part) {
  return MPI_Alltoall(input, int(part), type_of(dtype), output, int(part), type_of(dtype), state.world);
}

int broadcast_from(int root, assay::DType dtype, void* data, std::int64_t count) {
  return in_pieces(count, [&](std::int64_t first, int elements) {
    return MPI_Bcast(at(dtype, data, first), elements, type_of(dtype), root, state.world);
  });
}

int send_to_next(assay::DType dtype, const void* input, void* output, std::int64_t count) {
  const int ranks = size(), next = (rank() + 1) % ranks, before = (rank() + ranks - 1) % ranks;
  return in_pieces(count, [&](std::int64_t first, int elements) {
    return MPI_Sendrecv(at(dtype, input, first), elements, type_of(dtype), next, 0, at(dtype, output, first), elements,
                        type_of(dtype), before, 0, state.world, MPI_STATUS_IGNORE);
  });
}

int exchange(const void* out, int to, void* in, int from, int bytes) {
  const auto peer = [](int rank) { return rank < 0 ? MPI_PROC_NULL : rank; };
  return MPI_Sendrecv(out, bytes, MPI_BYTE, peer(to), 0, in, bytes, MPI_BYTE, peer(from), 0, state.world,
                      MPI_STATUS_IGNORE);
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
    .takes_any_thread = takes_any_thread,
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
    .all_reduce = all_reduce,
    .reduce_scatter = reduce_scatter,
    .all_gather = all_gather,
    .all_to_all = all_to_all,
    .broadcast_from = broadcast_from,
    .send_to_next = send_to_next,
    .exchange = exchange,
};
