#include "kernels/all_reduce/mpi/mpi_all_reduce.h"

#include <stdexcept>

#include "kernels/common/mpi/mpi_library.h"

namespace assay {
namespace {

class MpiOperation final : public AllReduceOperation {
 public:
  explicit MpiOperation(const AllReduceProblem& problem)
      : module_(load_mpi_module()),
        count_(problem.count),
        all_reduce_(problem.dtype == DType::bf16 ? module_.all_reduce_bf16 : module_.all_reduce_f32) {
    if (!module_.is_initialised() || module_.size() != problem.peers.ranks ||
        module_.rank() != problem.peers.first_local)
      throw std::runtime_error("all-reduce: MPI's ranks are not those of the problem");
  }

  void launch(const AllReduceBuffers& buffers, Stream) override {
    check_mpi(module_, all_reduce_(buffers.input[0], buffers.output[0], count_), "MPI_Allreduce");
  }

  std::string description() const override {
    char version[256];
    module_.library_version(version, sizeof version);
    return version;
  }

 private:
  const MpiModule& module_;
  std::int64_t count_;
  int (*all_reduce_)(const void*, void*, std::int64_t);
};

Support supports(const AllReduceProblem& problem, const Target&) {
  if (!problem.peers.mpi) return Support::no("needs an MPI launcher: mpirun -n N assay run ...");
  if (problem.peers.local != 1) return Support::no("every rank is a process");
  return Support::yes();
}

}  // namespace

AllReduceKernel mpi_all_reduce_kernel() {
  AllReduceKernel kernel;
  kernel.name = ASSAY_MPI_NAME;  // from the build: the headers' implementation
  kernel.device = Device::cpu;
  kernel.vendor = true;
  kernel.dtypes = {DType::f32, DType::bf16};
  kernel.supports = supports;
  kernel.prepare = [](const AllReduceProblem& problem, const Target&, const std::vector<AllReduceBuffers>&, Stream) {
    return std::make_unique<MpiOperation>(problem);
  };
  return kernel;
}

}  // namespace assay
