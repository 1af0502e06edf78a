// The yardstick OpenBLAS, fp32.  Its bf16 routine is left out of the packages that Debian and Ubuntu ship.
#include <cblas.h>

#include <algorithm>
#include <limits>
#include <string>

#include "kernels/gemm/cpu/kernels.h"
#include "kernels/common/cpu/openmp_threads.h"

namespace assay {
namespace {

Support supports(const GemmProblem& p, const Target&) {
  if (p.prepacked) return Support::no("OpenBLAS has no prepacked operands");
  if (std::max({p.m, p.n, p.k}) > std::numeric_limits<blasint>::max())
    return Support::no("OpenBLAS counts rows and columns in " + std::to_string(8 * sizeof(blasint)) + " bits");
  return Support::yes();
}

class OpenBlasGemm final : public GemmOperation {
 public:
  OpenBlasGemm(const GemmProblem& problem, int threads) : p_(problem), threads_(std::max(threads, 1)) {}

  void launch(const GemmBuffers& buffers, Stream) override {
    const OpenMpThreads scope(threads_);
    const auto m = static_cast<blasint>(p_.m), n = static_cast<blasint>(p_.n), k = static_cast<blasint>(p_.k);
    cblas_sgemm(CblasRowMajor, p_.a_is_k_major() ? CblasNoTrans : CblasTrans,
                p_.b_is_k_major() ? CblasTrans : CblasNoTrans, m, n, k, 1.0f, static_cast<const float*>(buffers.a),
                p_.a_is_k_major() ? k : m, static_cast<const float*>(buffers.b), p_.b_is_k_major() ? k : n,
                p_.accumulates() ? 1.0f : 0.0f, static_cast<float*>(buffers.d), n);
  }

  /// The kernels OpenBLAS chose for this CPU; OPENBLAS_CORETYPE overrides its choice, and not always for the worse.
  std::string description() const override { return std::string("core type ") + openblas_get_corename(); }

 private:
  GemmProblem p_;
  int threads_;
};

}  // namespace

GemmKernel openblas_gemm() {
  GemmKernel kernel;
  kernel.name = "openblas";
  kernel.vendor = true;
  kernel.dtypes = {DType::f32};
  kernel.supports = supports;
  kernel.prepare = [](const GemmProblem& problem, const Target& target, const std::vector<GemmBuffers>&, Stream) {
    return std::make_unique<OpenBlasGemm>(problem, target.threads);
  };
  return kernel;
}

}  // namespace assay
