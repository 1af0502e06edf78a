// Which communicator this process gets, and what happens when one rank of several fails.
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

#include <fmt/format.h>

#include "harness/communicators/communicator.h"
#include "harness/communicators/guarded.h"
#include "harness/communicators/mpi.h"
#include "harness/communicators/start_watch.h"
#include "harness/core/error.h"
#include "kernels/common/mpi/mpi_library.h"

namespace assay {
namespace {

struct Mark {
  const char* source;
  const char* size;  // the variable with the number of processes; null: the launcher does not say
  const char* rank;
  const char* job;
};

// Innermost first: an mpirun inside a Slurm step sees both, and srun's MPI plugins set their own beside Slurm's.
// SLURM_NTASKS is not here: a batch script that runs alone has it too; a step's processes are what srun started.
constexpr Mark kMarks[] = {
    {"Open MPI", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "PMIX_NAMESPACE"},
    {"MVAPICH", "MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_RANK", "SLURM_JOB_ID"},
    {"PMI", "PMI_SIZE", "PMI_RANK", "PMI_JOBID"},  // MPICH and Intel MPI (Hydra), Cray, srun --mpi=pmi2
    {"PMIx", nullptr, "PMIX_RANK", "PMIX_NAMESPACE"},
    {"Slurm", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "SLURM_JOB_ID"},
    {"torchrun", "WORLD_SIZE", "RANK", "TORCHELASTIC_RUN_ID"},
};
constexpr const char* kSlurmSize = "SLURM_STEP_NUM_TASKS";

int parse_number(const char* text, int otherwise) {
  int value = 0;
  const char* end = text + std::strlen(text);
  const auto result = std::from_chars(text, end, value);
  return result.ec == std::errc() && result.ptr == end && value >= 0 ? value : otherwise;
}

ExitCode exit_code_of(const std::exception& error) {
  const auto* ours = dynamic_cast<const Error*>(&error);
  return ours ? ours->code : ExitCode::could_not_measure;
}

/// Before MPI is asked: what it would end this process for with a page of text, or would not notice.
void expect_mpi_fits(const LauncherMark& mark, const std::string& started) {
  if (mark.source == "torchrun")
    throw MeasureError(started +
                       ", which is no MPI launcher: its processes would not know of each other; use mpirun -n N, "
                       "or srun --mpi=pmix");
  // Other MPIs can ask Slurm itself; Open MPI needs the marks of a plugin that it was built for, and ends the process
  // with a page of text and exit code 1 where they are not there.  Distributions build it for PMIx alone; who built it
  // for PMI names that in OMPI_MCA_pmix.
  const bool pmi = mark.source == "PMI" && std::getenv("SLURM_STEP_ID") && !std::getenv("OMPI_MCA_pmix");
  if (!pmi && mark.source != "Slurm") return;
  if (std::strcmp(load_mpi_module().implementation, "openmpi") != 0) return;
  if (pmi)
    throw MeasureError(started +
                       " by srun, and Open MPI is seldom built for PMI: use srun --mpi=pmix, or set "
                       "OMPI_MCA_pmix=s2 where it is");
  throw MeasureError(started +
                     ", without an MPI plugin: the tasks would not know of each other; use srun --mpi=pmix "
                     "(srun --mpi=list shows what there is), or mpirun inside the job");
}

}  // namespace

LauncherMark find_launcher(const std::function<const char*(const char*)>& environment) {
  for (const Mark& mark : kMarks) {
    const char* found = environment(mark.size ? mark.size : mark.rank);
    const char* rank = environment(mark.rank);
    const char* job = environment(mark.job);
    const bool torchrun = std::strcmp(mark.source, "torchrun") == 0;
    if (!found || (torchrun && !rank)) continue;  // WORLD_SIZE alone may be anyone's
    LauncherMark out{mark.source, mark.size ? mark.size : mark.rank, 0, rank ? parse_number(rank, -1) : -1, {},
                     mark.rank};
    // PMIx does not say how many: the step that it runs in does.
    const char* size = mark.size ? found : environment(kSlurmSize);
    if (size) out.processes = parse_number(size, 0);
    if (job) out.job = fmt::format("{}={}", mark.job, job);
    return out;
  }
  return {};
}

std::unique_ptr<Communicator> make_communicator(double deadline, const std::atomic<bool>& interrupted) {
  const LauncherMark mark = find_launcher([](const char* variable) { return std::getenv(variable); });
  if (mark.processes == 1) return guard(make_single_communicator(), {}, deadline);
  std::unique_ptr<Communicator> communicator;
  const std::string launcher = fmt::format("{} ({})", mark.source, mark.variable);
  const std::string started =
      mark.processes > 0 ? fmt::format("a launcher, {}, started this as one of {} processes", launcher, mark.processes)
                         : fmt::format("a launcher, {}, started this process", launcher);
  const StartWatch watch(mark, deadline, interrupted);
  try {
    expect_mpi_fits(mark, started);
    communicator = make_mpi_communicator();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw MeasureError(fmt::format("{}, but MPI is not usable: {}", started, error.what()));
  }
  if (mark.processes > 0 && communicator->size() != mark.processes)
    throw MeasureError(
        fmt::format("{}, but {} sees {}: the launcher belongs to another MPI than the one this program loaded", started,
                    communicator->description(), communicator->size()));
  const bool alone = communicator->size() == 1;
  return guard(std::move(communicator), alone ? std::string() : launcher, deadline);
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
