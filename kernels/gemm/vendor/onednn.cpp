// The yardstick oneDNN: its matmul primitive, fp32 and bf16, on operands as they lie; of a prepacked problem, b is
// reordered beforehand into the form the primitive asks for.
#include <algorithm>
#include <map>
#include <stdexcept>
#include <string>

#include <dnnl.hpp>

#include "kernels/gemm/cpu/kernels.h"
#include "kernels/common/cpu/openmp_threads.h"

namespace assay {
namespace {

dnnl::memory::data_type data_type(DType t) {
  return t == DType::bf16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
}

/// [rows, columns], row-major, or column-major where `transposed`.
dnnl::memory::desc matrix(std::int64_t rows, std::int64_t columns, DType t, bool transposed) {
  return {{rows, columns}, data_type(t), transposed ? dnnl::memory::dims{1, rows} : dnnl::memory::dims{columns, 1}};
}

#if DNNL_VERSION_MAJOR >= 3
dnnl::matmul::primitive_desc describe(const dnnl::engine& engine, const dnnl::memory::desc& a,
                                      const dnnl::memory::desc& b, const dnnl::memory::desc& d,
                                      const dnnl::primitive_attr& attributes) {
  return {engine, a, b, d, attributes};
}
#else
dnnl::matmul::primitive_desc describe(const dnnl::engine& engine, const dnnl::memory::desc& a,
                                      const dnnl::memory::desc& b, const dnnl::memory::desc& d,
                                      const dnnl::primitive_attr& attributes) {
  return {dnnl::matmul::desc(a, b, d), attributes, engine};
}
#endif

/// Any form: the primitive's choice.
dnnl::memory::desc any_matrix(std::int64_t rows, std::int64_t columns, DType t) {
  return {{rows, columns}, data_type(t), dnnl::memory::format_tag::any};
}

class OneDnnGemm final : public GemmOperation {
 public:
  OneDnnGemm(const GemmProblem& p, int threads, const std::vector<GemmBuffers>& sets)
      : threads_(std::max(threads, 1)), engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
    const OpenMpThreads scope(threads_);  // the primitive is generated for this many
    dnnl::primitive_attr attributes;
    if (p.accumulates()) {
      dnnl::post_ops accumulate;
      accumulate.append_sum(1.0f);
      attributes.set_post_ops(accumulate);
    }
    const auto given_b = matrix(p.k, p.n, p.dtype, p.b_is_k_major());
    const auto descriptor = describe(engine_, matrix(p.m, p.k, p.dtype, !p.a_is_k_major()),
                                     p.prepacked ? any_matrix(p.k, p.n, p.dtype) : given_b,
                                     matrix(p.m, p.n, p.output(), false), attributes);
    implementation_ = descriptor.impl_info_str();
    matmul_ = dnnl::matmul(descriptor);
    a_ = dnnl::memory(descriptor.src_desc(), engine_, nullptr);
    b_ = dnnl::memory(descriptor.weights_desc(), engine_, nullptr);
    d_ = dnnl::memory(descriptor.dst_desc(), engine_, nullptr);
    if (p.prepacked)
      for (const GemmBuffers& set : sets) prepack(given_b, set.b, descriptor.weights_desc());
  }

  void launch(const GemmBuffers& buffers, Stream) override {
    const OpenMpThreads scope(threads_);
    a_.set_data_handle(const_cast<void*>(buffers.a));  // read only: oneDNN's memory has no const form
    if (prepacked_.empty()) b_.set_data_handle(const_cast<void*>(buffers.b));
    const dnnl::memory& b = prepacked_.empty() ? b_ : prepacked_b(buffers.b);
    d_.set_data_handle(buffers.d);
    matmul_.execute(stream_, {{DNNL_ARG_SRC, a_}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, d_}});
    stream_.wait();
  }

  std::string description() const override { return implementation_; }

 private:
  void prepack(const dnnl::memory::desc& given, const void* b, const dnnl::memory::desc& wanted) {
    if (prepacked_.find(b) != prepacked_.end()) return;
    dnnl::memory from(given, engine_, const_cast<void*>(b)), to(wanted, engine_);
    dnnl::reorder(from, to).execute(stream_, from, to);
    stream_.wait();
    prepacked_.emplace(b, to);
  }

  const dnnl::memory& prepacked_b(const void* b) const {
    const auto found = prepacked_.find(b);
    if (found == prepacked_.end()) throw std::runtime_error("onednn: this b was not among the sets it prepacked");
    return found->second;
  }

  int threads_;
  dnnl::engine engine_;
  dnnl::stream stream_;
  std::string implementation_;
  dnnl::matmul matmul_;
  dnnl::memory a_, b_, d_;
  std::map<const void*, dnnl::memory> prepacked_;  // by the b given; empty where b is used as it lies
};

std::unique_ptr<GemmOperation> prepare(const GemmProblem& problem, const Target& target,
                                       const std::vector<GemmBuffers>& sets, Stream) {
  try {
    return std::make_unique<OneDnnGemm>(problem, target.threads, sets);
  } catch (const dnnl::error& error) {
    throw std::runtime_error(std::string("oneDNN refused the problem: ") + error.what());
  }
}

}  // namespace

GemmKernel onednn_gemm() {
  GemmKernel kernel;
  kernel.name = "onednn";
  kernel.vendor = true;
  kernel.packs_weights = true;
  kernel.dtypes = {DType::f32, DType::bf16};
  kernel.supports = [](const GemmProblem&, const Target&) { return Support::yes(); };
  kernel.prepare = prepare;
  return kernel;
}

}  // namespace assay
