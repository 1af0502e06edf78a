#include "kernels/collectives/mpi/mpi_collectives.h"

#include <cstring>
#include <limits>
#include <stdexcept>

#include "kernels/common/mpi/mpi_library.h"

namespace assay {
namespace {

class MpiOperation final : public CollectiveOperation {
 public:
  explicit MpiOperation(const CollectiveProblem& problem) : module_(load_mpi_module()), problem_(problem) {
    if (!module_.is_initialised() || module_.size() != problem.peers.ranks ||
        module_.rank() != problem.peers.first_local)
      throw std::runtime_error("MPI's ranks are not those of the problem");
  }

  void launch(const CollectiveBuffers& buffers, Stream) override {
    check_mpi(module_, run(buffers.input[0], buffers.output[0]), std::string("MPI's ") + name(problem_.operation));
  }

  std::string description() const override {
    char version[256];
    module_.library_version(version, sizeof version);
    return version;
  }

 private:
  int run(const void* input, void* output) const {
    const DType dtype = problem_.dtype;
    switch (problem_.operation) {
      case Collective::all_reduce:
        return module_.all_reduce(dtype, input, output, problem_.count);
      case Collective::all_gather:
        return module_.all_gather(dtype, input, output, problem_.part());
      case Collective::reduce_scatter:
        return module_.reduce_scatter(dtype, input, output, problem_.part());
      case Collective::all_to_all:
        return module_.all_to_all(dtype, input, output, problem_.part());
      case Collective::send_recv:
        return module_.send_to_next(dtype, input, output, problem_.count);
      case Collective::broadcast: {
        // MPI's broadcast is in place.  Out of place its root copies first, as the contract has an output there too.
        const bool root = module_.rank() == problem_.root;
        if (root && input != output) std::memcpy(output, input, std::size_t(problem_.bytes()));
        return module_.broadcast_from(problem_.root, dtype, output, problem_.count);
      }
    }
    return 0;
  }

  const MpiModule& module_;
  CollectiveProblem problem_;
};

Support supports(const CollectiveProblem& problem, const Target&) {
  if (!problem.peers.mpi) return Support::no("needs an MPI launcher: mpirun -n N assay run ...");
  if (problem.peers.local != 1) return Support::no("every rank is a process");
  if (problem.buffers != BufferKind::user) return Support::no("takes the caller's own buffers: buffers=user");
  if (problem.algorithm != "auto") return Support::no("chooses its algorithm itself: algo=auto");
  if (problem.side_thread && !load_mpi_module().takes_any_thread())
    return Support::no("this MPI takes calls of one thread alone (below MPI_THREAD_SERIALIZED)");
  if (problem.has_parts() && problem.part() > std::numeric_limits<int>::max())
    return Support::no("MPI counts at most 2^31 - 1 elements to a part");
  // MPI leaves the result at the start of the buffer, over another rank's part.
  if (problem.operation == Collective::reduce_scatter && problem.in_place)
    return Support::no("MPI's in-place form puts the result elsewhere: placement=out_of_place");
  return Support::yes();
}

}  // namespace

CollectiveKernel mpi_collectives_kernel() {
  CollectiveKernel kernel;
  kernel.name = ASSAY_MPI_NAME;  // from the build: the headers' implementation
  kernel.device = Device::cpu;
  kernel.vendor = true;
  kernel.dtypes = {DType::f32, DType::bf16, DType::f16};
  kernel.supports = supports;
  kernel.prepare = [](const CollectiveProblem& problem, const Target&, const std::vector<CollectiveBuffers>&, Stream) {
    return std::make_unique<MpiOperation>(problem);
  };
  return kernel;
}

}  // namespace assay
