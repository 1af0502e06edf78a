// Which communicator this process gets, and what happens when one rank of several fails.
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

#include <fmt/format.h>

#include "harness/communicators/communicator.h"
#include "harness/communicators/mpi.h"
#include "harness/core/error.h"

namespace assay {
namespace {

struct Mark {
  const char* variable;
  bool is_size;  // else it is there, and says nothing of how many
};

// Innermost first: an mpirun inside a Slurm step sees both.  SLURM_NTASKS is not here: a batch script that runs alone
// has it too; a step's processes are what srun started.
constexpr Mark kMarks[] = {
    {"OMPI_COMM_WORLD_SIZE", true},  // Open MPI
    {"MV2_COMM_WORLD_SIZE", true},   // MVAPICH
    {"PMI_SIZE", true},              // MPICH and Intel MPI (Hydra), Cray
    {"PMIX_RANK", false},            // any launcher that speaks PMIx
    {"SLURM_STEP_NUM_TASKS", true},  // srun
};

int parse_count(const char* text) {
  int value = 0;
  const char* end = text + std::strlen(text);
  const auto result = std::from_chars(text, end, value);
  return result.ec == std::errc() && result.ptr == end && value > 0 ? value : 0;
}

ExitCode exit_code_of(const std::exception& error) {
  const auto* ours = dynamic_cast<const Error*>(&error);
  return ours ? ours->code : ExitCode::could_not_measure;
}

}  // namespace

LauncherMark find_launcher(const std::function<const char*(const char*)>& environment) {
  for (const Mark& mark : kMarks)
    if (const char* value = environment(mark.variable)) return {mark.variable, mark.is_size ? parse_count(value) : 0};
  return {};
}

std::unique_ptr<Communicator> make_communicator() {
  const LauncherMark mark = find_launcher([](const char* variable) { return std::getenv(variable); });
  if (mark.processes == 1) return make_single_communicator();
  std::unique_ptr<Communicator> communicator;
  const std::string started =
      mark.processes > 0
          ? fmt::format("an MPI launcher started this as one of {} processes ({})", mark.processes, mark.variable)
          : fmt::format("an MPI launcher started this process ({} is set)", mark.variable);
  try {
    communicator = make_mpi_communicator();
  } catch (const std::exception& error) {
    throw MeasureError(fmt::format("{}, but MPI is not usable: {}", started, error.what()));
  }
  if (mark.processes > 0 && communicator->size() != mark.processes)
    throw MeasureError(
        fmt::format("{}, but {} sees {}: the launcher belongs to another MPI than the one this program loaded", started,
                    communicator->description(), communicator->size()));
  return communicator;
}

int run_together(Communicator& communicator, const std::function<int()>& body) {
  if (communicator.size() == 1) return body();
  ExitCode code = ExitCode::could_not_measure;
  try {
    return body();
  } catch (const std::exception& error) {
    std::fputs(fmt::format("assay: rank {}: {}\n", communicator.rank(), error.what()).c_str(), stderr);
    std::fflush(nullptr);
    code = exit_code_of(error);
  }
  communicator.abort(int(code));
}

}  // namespace assay
